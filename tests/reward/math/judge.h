#pragma once

// Two answers under the verifier's default conventions, as tests write them.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "reward/math/verifier.h"

namespace cohort::reward::math {

using Pairs = std::vector<std::pair<const char*, const char*>>;

inline bool Same(const std::string& gold, const std::string& pred,
                 const Conventions& conventions = {}) {
  return Judge(gold, pred, conventions).equality == Equality::kEqual;
}

inline void ExpectSame(const Pairs& pairs) {
  for (const auto& [gold, pred] : pairs) {
    EXPECT_TRUE(Same(gold, pred)) << gold << " and " << pred;
    EXPECT_TRUE(Same(pred, gold)) << pred << " and " << gold;
  }
}

inline void ExpectDifferent(const Pairs& pairs) {
  for (const auto& [gold, pred] : pairs) {
    EXPECT_FALSE(Same(gold, pred)) << gold << " and " << pred;
    EXPECT_FALSE(Same(pred, gold)) << pred << " and " << gold;
  }
}

}  // namespace cohort::reward::math
