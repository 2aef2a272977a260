#include "policy/transformer/ops/expert_dispatch.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace cohort::policy {
namespace {

TEST(SortByExpert, KeepsSlotOrderInsideAnExpert) {
  const Dispatch dispatch = SortByExpert(torch::tensor({{2, 0}, {0, 2}, {2, 3}}, at::kLong), 5);
  EXPECT_EQ(dispatch.offsets, (std::vector<int64_t>{0, 2, 2, 5, 6, 6}));
  EXPECT_TRUE(at::equal(dispatch.slot_S, torch::tensor({1, 2, 0, 3, 4, 5}, at::kLong)));
  EXPECT_TRUE(at::equal(dispatch.token_S, torch::tensor({0, 1, 0, 1, 2, 2}, at::kLong)));
  EXPECT_TRUE(at::equal(dispatch.row_S, torch::tensor({2, 0, 1, 3, 4, 5}, at::kLong)));
}

// int64 choices take the counting sort of the CPU, int32 ones LibTorch's operations, which every
// other device has.
TEST(SortByExpert, GivesTheSameOrderOnEveryDevice) {
  at::manual_seed(5);
  const at::Tensor choice = torch::randint(0, 40, {300, 6}, at::kLong);
  const Dispatch own = SortByExpert(choice, 64), other = SortByExpert(choice.to(at::kInt), 64);
  EXPECT_EQ(own.offsets, other.offsets);
  EXPECT_TRUE(at::equal(own.slot_S, other.slot_S));
  EXPECT_TRUE(at::equal(own.token_S, other.token_S));
  EXPECT_TRUE(at::equal(own.row_S, other.row_S));
}

}  // namespace
}  // namespace cohort::policy
