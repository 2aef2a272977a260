#include "policy/transformer/ops/gated_delta_rule.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <map>

#include "policy/transformer/ops/causal_conv.h"

namespace cohort::policy {
namespace {

// A prompt of 70 with completions of 2 and 90, a sequence of 66 and one of 1.
const std::vector<Segment> kSegments = {
    {0, 70}, {70, 2, 0, 70}, {72, 90, 0, 70}, {162, 66}, {228, 1}};
constexpr int64_t kTokens = 229;

// The recurrence, a token after the other.
at::Tensor Recurrence(const DeltaRuleInput& in) {
  const int64_t copies = in.v.size(1) / in.k.size(1);
  const at::Tensor q = in.q.repeat_interleave(copies, 1), k = in.k.repeat_interleave(copies, 1);
  std::map<int64_t, at::Tensor> ends;
  std::vector<at::Tensor> rows;
  for (const Segment& segment : kSegments) {
    at::Tensor state = segment.prefix_length > 0
                           ? ends.at(segment.prefix_first)
                           : at::zeros({in.v.size(1), k.size(2), in.v.size(2)}, in.v.options());
    for (int64_t t = segment.first; t < segment.first + segment.length; ++t) {
      state = state * in.log_decay[t].exp().view({-1, 1, 1});
      const at::Tensor known = (state * k[t].unsqueeze(2)).sum(1);
      const at::Tensor write = in.beta[t].unsqueeze(1) * (in.v[t] - known);
      state = state + k[t].unsqueeze(2) * write.unsqueeze(1);
      rows.push_back((state * q[t].unsqueeze(2)).sum(1).flatten());
    }
    ends[segment.first] = state;
  }
  return at::stack(rows);
}

// Queries and keys of about length 1; decays from almost none to almost all.
std::vector<at::Tensor> Draw() {
  at::manual_seed(1);
  const auto options = at::TensorOptions(at::kDouble);
  return {torch::randn({kTokens, 2, 20}, options) / 4.5,
          torch::randn({kTokens, 2, 20}, options) / 4.5, torch::randn({kTokens, 4, 12}, options),
          -torch::randn({kTokens, 4}, options).square(),
          torch::randn({kTokens, 4}, options).sigmoid()};
}

DeltaRuleInput InputOf(const std::vector<at::Tensor>& x) { return {x[0], x[1], x[2], x[3], x[4]}; }

// fp32 takes our kernel, fp64 LibTorch's products.
TEST(GatedDeltaRule, EqualsTheRecurrenceAndItsGradientWithEitherImplementation) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    std::vector<at::Tensor> wide, own;
    for (const at::Tensor& x : Draw()) {
      wide.push_back(x.clone().requires_grad_());
      own.push_back(x.to(dtype, false, true).requires_grad_());
    }
    const at::Tensor expected = Recurrence(InputOf(wide));
    const at::Tensor out = GatedDeltaRule(InputOf(own), kSegments);
    const double bound = dtype == at::kFloat ? 1e-5 : 1e-12;
    EXPECT_LT((out - expected).abs().max().item<double>(), bound);
    const at::Tensor weight = torch::randn_like(expected);
    (expected * weight).sum().backward();
    (out * weight.to(dtype)).sum().backward();
    for (size_t i = 0; i < wide.size(); ++i) {
      EXPECT_LT((own[i].grad() - wide[i].grad()).abs().max().item<double>(), 10 * bound) << i;
    }
  }
}

// LibTorch's convolution of each sequence with its prefix before it, and zeros before that.
at::Tensor PaddedConv(const at::Tensor& x, const at::Tensor& weight) {
  const int64_t channels = weight.size(0), width = weight.size(1);
  std::vector<at::Tensor> rows;
  for (const Segment& s : kSegments) {
    const at::Tensor whole =
        at::cat({x.narrow(0, s.prefix_first, s.prefix_length), x.narrow(0, s.first, s.length)});
    const at::Tensor padded = at::conv1d(whole.t().unsqueeze(0), weight.unsqueeze(1), {}, 1,
                                         width - 1, 1, /*groups=*/channels);
    rows.push_back(at::silu(padded[0].t()).narrow(0, s.prefix_length, s.length));
  }
  return at::cat(rows);
}

TEST(CausalConvSilu, EqualsAPaddedConvolutionAndItsGradientWithEitherImplementation) {
  at::manual_seed(2);
  for (const int64_t width : {1, 2, 4}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
      const at::Tensor x = torch::randn({kTokens, 21}, at::kDouble).requires_grad_();
      const at::Tensor weight = torch::randn({21, width}, at::kDouble).requires_grad_();
      const at::Tensor own_x = x.detach().to(dtype, false, true).requires_grad_();
      const at::Tensor own_weight = weight.detach().to(dtype, false, true).requires_grad_();
      const at::Tensor out = CausalConvSilu(own_x, own_weight, kSegments);
      const at::Tensor expected = PaddedConv(x, weight);
      const double bound = dtype == at::kFloat ? 1e-5 : 1e-12;
      EXPECT_LT((out - expected).abs().max().item<double>(), bound);
      const at::Tensor factor = torch::randn_like(expected);
      (expected * factor).sum().backward();
      (out * factor.to(dtype)).sum().backward();
      EXPECT_LT((own_x.grad() - x.grad()).abs().max().item<double>(), bound);
      EXPECT_LT((own_weight.grad() - weight.grad()).abs().max().item<double>(), 10 * bound);
    }
  }
}

}  // namespace
}  // namespace cohort::policy
