#include "policy/transformer/packed_tokens.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "base/error.h"

namespace cohort::policy {
namespace {

TEST(PackedTokens, PiecesContinueThePositionsOfTheirPrefix) {
  const std::vector<int32_t> prompt = {7, 8}, first = {1, 2, 3}, none, other = {9};
  const PackedTokens pack = Pack(std::vector<Piece>{{prompt}, {first, 0}, {none, 0}, {other}});
  EXPECT_TRUE(at::equal(pack.ids_T, torch::tensor({7, 8, 1, 2, 3, 9}, at::kLong)));
  EXPECT_TRUE(at::equal(pack.positions_T, torch::tensor({0, 1, 2, 3, 4, 0}, at::kLong)));
  ASSERT_EQ(pack.segments.size(), 4u);
  EXPECT_EQ(pack.segments[1].first, 2);
  EXPECT_EQ(pack.segments[1].prefix_length, 2);
  EXPECT_EQ(pack.segments[2].length, 0);
  EXPECT_EQ(pack.segments[3].prefix_length, 0);
  EXPECT_THROW(Pack(std::vector<Piece>{{prompt}, {first, 0}, {other, 1}}), Error);
}

}  // namespace
}  // namespace cohort::policy
