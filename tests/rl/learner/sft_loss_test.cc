#include "rl/learner/sft_loss.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace cohort::rl {
namespace {

TEST(SftLoss, IsTheTokenMeanOfTheCrossEntropyHoweverTheStepIsSplit) {
  at::manual_seed(5);
  const at::Tensor logits_NV = at::randn({12, 7}, at::kDouble);
  const at::Tensor targets_N = at::randint(7, {12}, at::kLong);
  const StepTotals totals{12, 3};
  const auto gradient = [&](const std::vector<int64_t>& sizes, double* loss) {
    const at::Tensor leaf_NV = logits_NV.clone().requires_grad_(true);
    *loss = 0;
    int64_t start = 0;
    for (const int64_t size : sizes) {
      const at::Tensor logprobs_N = leaf_NV.narrow(0, start, size)
                                        .log_softmax(1)
                                        .gather(1, targets_N.narrow(0, start, size).unsqueeze(1))
                                        .squeeze(1);
      const at::Tensor part = SftLoss(logprobs_N, totals);
      part.backward();
      *loss += part.item<double>();
      start += size;
    }
    return leaf_NV.grad();
  };
  double whole_loss = 0, split_loss = 0;
  const at::Tensor whole = gradient({12}, &whole_loss);
  const at::Tensor split = gradient({1, 7, 4}, &split_loss);
  EXPECT_NEAR(whole_loss, at::cross_entropy_loss(logits_NV, targets_N).item<double>(), 1e-14);
  EXPECT_NEAR(split_loss, whole_loss, 1e-14);
  EXPECT_LT((whole - split).abs().max().item<double>(), 1e-16);
}

}  // namespace
}  // namespace cohort::rl
