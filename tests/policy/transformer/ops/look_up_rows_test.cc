#include "policy/transformer/ops/look_up_rows.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace cohort::policy {
namespace {

TEST(LookUpRows, GivesTheRowsOfABf16TableInSinglePrecision) {
  at::manual_seed(7);
  const at::Tensor table = torch::randn({9, 4}).to(at::kBFloat16);
  const at::Tensor ids = at::tensor({3, 3, 8, 0}, at::kLong);
  const at::Tensor rows = LookUpRows(table, ids, /*pad_id=*/-1, at::kFloat);
  EXPECT_EQ(rows.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(rows, table.index_select(0, ids).to(at::kFloat)));
}

// Added up in bf16, a thousand ones would stay at 256.
TEST(LookUpRows, AddsUpTheGradientOfABf16TableInSinglePrecision) {
  const at::Tensor table = at::zeros({3, 2}, at::kBFloat16).requires_grad_(true);
  const at::Tensor ids = at::cat({at::full({1000}, 1, at::kLong), at::full({8}, 2, at::kLong)});
  LookUpRows(table, ids, /*pad_id=*/2, at::kFloat).sum().backward();
  const at::Tensor expected = at::tensor({0.0, 0.0, 1000.0, 1000.0, 0.0, 0.0}).view({3, 2});
  EXPECT_EQ(table.grad().scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(table.grad().to(at::kDouble), expected.to(at::kDouble)));
}

TEST(LookUpRows, IsAnEmbeddingWhereTheDtypesAreOne) {
  const at::Tensor table = torch::randn({5, 3}).requires_grad_(true);
  const at::Tensor ids = at::tensor({4, 4, 1}, at::kLong);
  const at::Tensor rows = LookUpRows(table, ids, -1, at::kFloat);
  EXPECT_TRUE(at::equal(rows, at::embedding(table, ids)));
  rows.sum().backward();
  EXPECT_EQ(table.grad()[4][0].item<float>(), 2);
}

}  // namespace
}  // namespace cohort::policy
