#pragma once

// A world that answers from a script.

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "rl/rollouts/environment.h"

namespace cohort::rl {

// Ends every episode once its answers are used up.
class FakeEnvironment final : public Environment {
 public:
  explicit FakeEnvironment(std::deque<std::vector<int32_t>> answers = {})
      : answers_(std::move(answers)) {}

  boost::asio::awaitable<std::optional<std::vector<int32_t>>> Step(
      const EncodedProblem&, const Episode& episode) override {
    seen_.push_back(episode.sample_id);
    if (answers_.empty()) co_return std::nullopt;
    std::vector<int32_t> answer = std::move(answers_.front());
    answers_.pop_front();
    co_return answer;
  }

  // The sample of each step, in the order of the steps.
  const std::vector<uint64_t>& seen() const { return seen_; }

 private:
  std::deque<std::vector<int32_t>> answers_;
  std::vector<uint64_t> seen_;
};

}  // namespace cohort::rl
