#pragma once

#include <chrono>
#include <map>
#include <string>

namespace cohort::base {

// http:// or https://, a host, a port (80 or 443 where none is given), a path.
struct Url {
  bool tls = false;
  std::string host;
  std::string port;
  std::string path;  // starts with '/'
};
Url ParseUrl(const std::string& text);  // kUsage for anything else, user names and queries included

struct HttpReply {
  int status = 0;
  std::string body;
};

// POSTs `body` as application/json and reads the reply, at most 4 MiB of it. Blocks; thread-safe,
// one connection a call. With TLS the certificate must be valid for the host (the system's store).
// Errors: kUnavailable when there is no whole reply before the deadline.
HttpReply PostJson(const Url& url, const std::string& body,
                   const std::map<std::string, std::string>& headers,
                   std::chrono::milliseconds deadline);

}  // namespace cohort::base
