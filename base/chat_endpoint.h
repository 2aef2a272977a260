#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/http_client.h"

namespace cohort::base {

// A model behind an OpenAI-compatible endpoint.
struct ChatEndpoint {
  Url url;  // of /chat/completions
  std::string model;
  std::map<std::string, std::string> headers;
};

// `base`: what /chat/completions is put behind. `api_key_env`: the environment variable that holds
// the key, or empty. kUsage when there is no such variable.
ChatEndpoint OpenChatEndpoint(Url base, const std::string& model, const std::string& api_key_env);

// Posts `body`. While there is time, a busy endpoint (HTTP 429, 5xx) or a lost connection is asked
// again, after pauses that grow from 250 ms. The last reply, whatever its status; kUnavailable when
// the last attempt had none.
HttpReply AskChat(const ChatEndpoint& endpoint, const std::string& body,
                  std::chrono::milliseconds deadline);

}  // namespace cohort::base
