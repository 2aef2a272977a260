#pragma once

// Opens the address of a service: loopback unless asked otherwise, and never one that another
// program already listens on.

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

namespace cohort::base {

// HOST:PORT with a numeric port, or unix:PATH.
bool IsAddress(const std::string& address);

// HOST:PORT on 127.0.0.0/8, [::1] or localhost, or a Unix socket: only this machine can connect.
bool IsLoopback(const std::string& address);

struct ListeningServer {
  std::unique_ptr<grpc::Server> server;
  std::string address;  // as a client dials it; port 0 has become the port chosen
};

// Starts `builder`'s server on HOST:PORT or unix:PATH, with cohort's keepalive settings. Errors:
// kUsage for an address that other machines reach, unless `allow_remote`; kEnvironment when it is
// taken.
ListeningServer Listen(grpc::ServerBuilder& builder, const std::string& address, bool allow_remote);

}  // namespace cohort::base
