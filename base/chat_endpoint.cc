#include "base/chat_endpoint.h"

#include <cstdlib>
#include <thread>

#include "base/error.h"

namespace cohort::base {

ChatEndpoint OpenChatEndpoint(Url base, const std::string& model, const std::string& api_key_env) {
  base.path += std::string(base.path.ends_with('/') ? "" : "/") + "chat/completions";
  ChatEndpoint endpoint{std::move(base), model, {}};
  if (api_key_env.empty()) return endpoint;
  const char* key = std::getenv(api_key_env.c_str());
  if (key == nullptr) throw Error(ErrorCode::kUsage, "the environment has no " + api_key_env);
  endpoint.headers["Authorization"] = std::string("Bearer ") + key;
  return endpoint;
}

HttpReply AskChat(const ChatEndpoint& endpoint, const std::string& body,
                  std::chrono::milliseconds deadline) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + deadline;
  for (std::chrono::milliseconds pause{250};; pause *= 2) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    try {
      HttpReply reply = PostJson(endpoint.url, body, endpoint.headers, left);
      const bool busy = reply.status == 429 || reply.status >= 500;
      if (!busy || Clock::now() + pause >= end) return reply;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnavailable || Clock::now() + pause >= end) throw;
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace cohort::base
