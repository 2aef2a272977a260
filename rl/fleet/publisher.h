#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "policy/lora/peft.h"
#include "policy/weights/weights.h"

namespace cohort::rl {

// What workers decode with: whole weights, or a base that stays what it was in the first version
// and the adapters that a version adds to it, which then are all that is sent of it.
struct PublishedPolicy {
  PublishedPolicy(policy::WeightMap whole)
      : weights([whole = std::move(whole)] { return whole; }) {}
  PublishedPolicy(std::function<policy::WeightMap()> base, policy::LoraAdapter added)
      : weights(std::move(base)), adapter(std::move(added)) {}

  std::function<policy::WeightMap()> weights;  // a base's are asked for at the first version alone
  std::optional<policy::LoraAdapter> adapter;
};

// Brings a new version of the weights to every rollout worker. Owned by one thread.
class Publisher {
 public:
  virtual ~Publisher() = default;

  // Returns when every worker that answers samples from `version`, and at least one does; a worker
  // that comes later gets it before it serves. Where `version` is the published one already,
  // `policy` is not called and nothing is done. `version` >= 1. Errors: kUnavailable when no
  // worker took them within the deadline, kInterrupted when the run is to stop, kUsage when a
  // worker refuses them.
  virtual void Publish(int64_t version, const std::function<PublishedPolicy()>& policy) = 0;

  virtual int64_t published_version() const = 0;  // 0 before the first
  // That each worker is sent of it; one that restarts gets the base of adapters, too.
  virtual int64_t published_bytes() const = 0;
};

}  // namespace cohort::rl
