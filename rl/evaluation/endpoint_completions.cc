#include "rl/evaluation/endpoint_completions.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/json_lines.h"

namespace cohort::rl {
namespace {

using nlohmann::ordered_json;

std::string RequestBody(const base::ChatEndpoint& endpoint, const Problem& problem,
                        const EndpointSampling& sampling, uint64_t seed) {
  ordered_json messages = problem.messages;
  if (messages.is_null()) messages = {{{"role", "user"}, {"content", problem.prompt}}};
  const ordered_json body = {{"model", endpoint.model},
                             {"messages", messages},
                             {"temperature", sampling.temperature},
                             {"max_tokens", sampling.max_tokens},
                             {"seed", seed}};
  return body.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string ContentOf(const std::string& reply) {
  const auto json = nlohmann::json::parse(reply, nullptr, /*allow_exceptions=*/false);
  try {
    const nlohmann::json& content = json.at("choices").at(0).at("message").at("content");
    return content.is_null() ? "" : content.get<std::string>();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::kUsage,
                "the endpoint's reply is not a chat completion: " + reply.substr(0, 200));
  }
}

std::string AskOnce(const base::ChatEndpoint& endpoint, const std::string& body,
                    std::chrono::milliseconds deadline) {
  const base::HttpReply reply = base::AskChat(endpoint, body, deadline);
  if (reply.status == 200) return ContentOf(reply.body);
  const bool busy = reply.status == 429 || reply.status >= 500;
  throw Error(busy ? ErrorCode::kUnavailable : ErrorCode::kUsage,
              "HTTP " + std::to_string(reply.status) + ": " + reply.body.substr(0, 200));
}

}  // namespace

std::vector<std::vector<std::string>> AskEndpoint(const base::ChatEndpoint& endpoint,
                                                  const std::vector<Problem>& problems,
                                                  const EndpointSampling& sampling) {
  const auto samples = static_cast<size_t>(sampling.samples);
  std::vector<std::vector<std::string>> completions(problems.size(),
                                                    std::vector<std::string>(samples));
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failed;
  const auto work = [&] {
    for (size_t i = next++; i < problems.size() * samples; i = next++) {
      try {
        const std::string body =
            RequestBody(endpoint, problems[i / samples], sampling, sampling.seed + i % samples);
        completions[i / samples][i % samples] = AskOnce(endpoint, body, sampling.deadline);
      } catch (const Error& error) {
        const std::lock_guard lock(mutex);
        if (failed == nullptr) {
          failed = std::make_exception_ptr(Error(
              error.code(), "problem " + std::to_string(i / samples + 1) + ": " + error.what(),
              error.hint()));
        }
        next = problems.size() * samples;  // the others stop too
      }
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < sampling.connections; ++i) threads.emplace_back(work);
  threads.clear();
  if (failed != nullptr) std::rethrow_exception(failed);
  return completions;
}

}  // namespace cohort::rl
