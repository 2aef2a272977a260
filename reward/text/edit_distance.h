#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "reward/budget.h"

namespace cohort::reward {

// Levenshtein distance of two texts in code points: bit-parallel (Myers 1999, in blocks as Hyyrö
// 2003), a.size() * b.size() / 64 steps. nullopt when the budget is exhausted first.
std::optional<int64_t> EditDistance(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b,
                                    const Budget& budget);

}  // namespace cohort::reward
