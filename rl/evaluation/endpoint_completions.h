#pragma once

// Completions of a model that runs elsewhere, behind an OpenAI-compatible endpoint.

#include <chrono>
#include <string>
#include <vector>

#include "base/chat_endpoint.h"
#include "rl/data/problem.h"

namespace cohort::rl {

struct EndpointSampling {
  int samples = 1;  // a problem, one request each
  double temperature = 0;
  int max_tokens = 256;
  uint64_t seed = 0;
  int connections = 8;                          // at once
  std::chrono::milliseconds deadline{120'000};  // of one request, retries included
};

// One list of completions a problem. Each problem is asked as its messages or, where it has none,
// as one user message. Busy endpoints (HTTP 429, 5xx, a lost connection) are asked again until the
// deadline. kUnavailable naming the problem when one cannot be had; kUsage for a reply that is not
// a chat completion, or HTTP 4xx.
std::vector<std::vector<std::string>> AskEndpoint(const base::ChatEndpoint& endpoint,
                                                  const std::vector<Problem>& problems,
                                                  const EndpointSampling& sampling);

}  // namespace cohort::rl
