#pragma once

#include <cstdint>
#include <functional>

#include "policy/weights/weights.h"

namespace cohort::rl {

// Brings a new version of the weights to every rollout worker. Owned by one thread.
class Publisher {
 public:
  virtual ~Publisher() = default;

  // Returns when every worker that answers samples from `version`, and at least one does; a worker
  // that comes later gets it before it serves. Where `version` is the published one already,
  // `weights` is not called and nothing is done. `version` >= 1. Errors: kUnavailable when no
  // worker took them within the deadline, kInterrupted when the run is to stop, kUsage when a
  // worker refuses them.
  virtual void Publish(int64_t version, const std::function<policy::WeightMap()>& weights) = 0;

  virtual int64_t published_version() const = 0;  // 0 before the first
};

}  // namespace cohort::rl
