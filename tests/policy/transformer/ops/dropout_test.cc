#include "policy/transformer/ops/dropout.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "policy/transformer/packed_tokens.h"

namespace cohort::policy {
namespace {

DropoutDraws Draws(double share, uint64_t seed = 7) { return {share, seed, {}}; }

at::Tensor Keys(int64_t rows) { return at::arange(rows, at::kLong) * 1'000'003 + 17; }

// 40,000 draws: the standard deviation of the share is 0.0025 at most.
TEST(Dropout, LeavesOutTheShareAndKeepsTheMean) {
  for (const double share : {0.1, 0.5, 0.9}) {
    const at::Tensor out = DropOut(at::ones({200, 200}), Draws(share), Keys(200), 3);
    EXPECT_NEAR(out.eq(0).to(at::kDouble).mean().item<double>(), share, 0.01);
    EXPECT_TRUE(at::allclose(out.max(), torch::tensor(static_cast<float>(1 / (1 - share)))));
    EXPECT_EQ(std::get<0>(at::_unique(out)).numel(), 2);
  }
}

TEST(Dropout, OfARowDependsOnItsKeyAndNotOnItsPlace) {
  const at::Tensor keys = Keys(70);
  const at::Tensor whole = DropOut(at::ones({70, 9}), Draws(0.5), keys, 1);
  const at::Tensor order = at::randperm(70);
  EXPECT_TRUE(at::equal(DropOut(at::ones({70, 9}), Draws(0.5), keys.index_select(0, order), 1),
                        whole.index_select(0, order)));
  EXPECT_TRUE(at::equal(DropOut(at::ones({1, 9}), Draws(0.5), keys.narrow(0, 69, 1), 1),
                        whole.narrow(0, 69, 1)));
}

TEST(Dropout, DrawsOthersForAnotherSeedLayerOrRow) {
  const at::Tensor x = at::ones({1, 64}), keys = Keys(2);
  const at::Tensor first = DropOut(x, Draws(0.5), keys.narrow(0, 0, 1), 1);
  EXPECT_FALSE(at::equal(DropOut(x, Draws(0.5, 8), keys.narrow(0, 0, 1), 1), first));
  EXPECT_FALSE(
      at::equal(DropOut(x, Draws(0.5, uint64_t{7} << 32), keys.narrow(0, 0, 1), 1), first));
  EXPECT_FALSE(at::equal(DropOut(x, Draws(0.5), keys.narrow(0, 0, 1), 2), first));
  EXPECT_FALSE(at::equal(DropOut(x, Draws(0.5), keys.narrow(0, 1, 1), 1), first));
}

TEST(Dropout, HasTheGradientOfWhatItKept) {
  const at::Tensor x = at::randn({5, 6}).requires_grad_();
  const at::Tensor out = DropOut(x, Draws(0.4), Keys(5), 2);
  const at::Tensor gradient = at::randn({5, 6});
  out.backward(gradient);
  const at::Tensor factors = out.detach() / x.detach();
  EXPECT_TRUE(at::allclose(x.grad(), gradient * factors));
  EXPECT_GT(x.grad().eq(0).sum().item<int64_t>(), 0);
}

// The same prompt, shared by two completions and twice by itself; the tokens of one completion are
// those of the other's start, but for the last.
TEST(PrefixKeys, FollowFromAPrefixWhateverSharesIt) {
  const std::vector<int32_t> prompt = {5, 6, 7}, first = {1, 2, 3}, second = {1, 2, 4};
  const at::Tensor shared = PrefixKeys(Pack(std::vector<Piece>{{prompt}, {first, 0}, {second, 0}}));
  const at::Tensor alone =
      PrefixKeys(Pack(std::vector<std::vector<int32_t>>{{5, 6, 7, 1, 2, 4}, {5, 6, 7, 1, 2, 3}}));
  EXPECT_TRUE(at::equal(shared.narrow(0, 0, 6), alone.narrow(0, 6, 6)));
  EXPECT_TRUE(at::equal(shared.narrow(0, 6, 3), alone.narrow(0, 3, 3)));
  EXPECT_EQ(std::get<0>(at::_unique(shared)).numel(), 3 + 3 + 1);
}

}  // namespace
}  // namespace cohort::policy
