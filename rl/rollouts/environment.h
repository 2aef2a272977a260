#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "rl/rollouts/episode.h"

namespace cohort::rl {

// The world of an episode: asked whenever the policy's turn has ended. Called on the collector's
// thread; one that waits for something awaits it, so that others go on, and has a deadline.
class Environment {
 public:
  virtual ~Environment() = default;

  // The answer of the world, as tokens that the policy's next turn follows; nothing: the episode is
  // over and is judged. A second turn is not built yet: the collector takes any answer for a broken
  // invariant.
  virtual boost::asio::awaitable<std::optional<std::vector<int32_t>>> Step(
      const EncodedProblem& problem, const Episode& episode) = 0;
};

// Over after one turn.
class SingleTurn final : public Environment {
 public:
  boost::asio::awaitable<std::optional<std::vector<int32_t>>> Step(const EncodedProblem&,
                                                                   const Episode&) override {
    co_return std::nullopt;
  }
};

}  // namespace cohort::rl
