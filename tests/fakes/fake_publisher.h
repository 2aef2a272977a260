#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/error.h"
#include "rl/fleet/publisher.h"

namespace cohort::rl {

// Workers that take every version at once, or none.
class FakePublisher final : public Publisher {
 public:
  void Publish(int64_t version, const std::function<policy::WeightMap()>& weights) override {
    if (version == published_version()) return;
    if (unreachable) throw Error(ErrorCode::kUnavailable, "no worker took the weights");
    weights();
    versions.push_back(version);
    if (on_publish) on_publish(version);
  }
  int64_t published_version() const override { return versions.empty() ? 0 : versions.back(); }

  std::vector<int64_t> versions;  // published so far
  bool unreachable = false;
  std::function<void(int64_t version)> on_publish;
};

}  // namespace cohort::rl
