#include "policy/logprobs.h"

#include <torch/torch.h>

#include <algorithm>

#include "policy/matmul.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows whose fp32 logits take about 32 MiB; enough rows to keep the matrix product efficient.
int64_t RowsPerChunk(int64_t vocab_size) {
  return std::max<int64_t>(128, (int64_t{1} << 23) / std::max<int64_t>(1, vocab_size));
}

at::Tensor ScaledLogits(const at::Tensor& hidden, const at::Tensor& head, double temperature) {
  at::Tensor logits = MatmulNt(hidden.to(at::kFloat), head);
  return temperature == 1.0 ? logits : logits.div_(temperature);
}

class LogprobsFunction : public torch::autograd::Function<LogprobsFunction> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& hidden,
                               const at::Tensor& head, const at::Tensor& targets,
                               double temperature) {
    const int64_t rows = hidden.size(0);
    const auto options = hidden.options().dtype(at::kFloat);
    const at::Tensor logprobs = at::empty({rows}, options);
    const at::Tensor entropy = at::empty({rows}, options);
    const at::Tensor wide_head = head.to(at::kFloat);
    const int64_t chunk = RowsPerChunk(head.size(0));
    for (int64_t first = 0; first < rows; first += chunk) {
      const int64_t count = std::min(chunk, rows - first);
      at::Tensor logits = ScaledLogits(hidden.narrow(0, first, count), wide_head, temperature);
      logits.sub_(logits.amax(1, true));
      const at::Tensor picked =
          logits.gather(1, targets.narrow(0, first, count).unsqueeze(1)).squeeze(1);
      at::Tensor weights = logits.exp();
      const at::Tensor sum = weights.sum(1);
      const at::Tensor log_of_sum = sum.log();
      logprobs.narrow(0, first, count).copy_(picked - log_of_sum);
      entropy.narrow(0, first, count).copy_(log_of_sum - weights.mul_(logits).sum(1).div_(sum));
    }
    context->save_for_backward({hidden, head, targets});
    context->saved_data["temperature"] = temperature;
    context->mark_non_differentiable({entropy});
    return {logprobs, entropy};
  }

  // d logprob / d logits = onehot(target) - softmax(logits).
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &hidden = saved[0], &head = saved[1], &targets = saved[2];
    const double temperature = context->saved_data["temperature"].toDouble();
    const at::Tensor wide_head = head.to(at::kFloat);
    const at::Tensor gradient = (gradients[0].to(at::kFloat) / temperature).unsqueeze(1);
    const at::Tensor d_hidden = at::empty(hidden.sizes(), wide_head.options());
    const at::Tensor d_head = at::zeros_like(wide_head);
    const int64_t chunk = RowsPerChunk(head.size(0));
    for (int64_t first = 0; first < hidden.size(0); first += chunk) {
      const int64_t count = std::min(chunk, hidden.size(0) - first);
      const at::Tensor x = hidden.narrow(0, first, count).to(at::kFloat);
      const at::Tensor row_gradient = gradient.narrow(0, first, count);
      at::Tensor d_logits = at::softmax(ScaledLogits(x, wide_head, temperature), 1);
      d_logits.mul_(-row_gradient);
      d_logits.scatter_add_(1, targets.narrow(0, first, count).unsqueeze(1), row_gradient);
      MatmulNtInto({{d_hidden.narrow(0, first, count), d_logits, wide_head.t()},
                    {d_head, d_logits.t(), x.t(), /*accumulate=*/true}});
    }
    return {d_hidden.to(hidden.scalar_type()), d_head.to(head.scalar_type()), at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

TokenLogprobs ComputeTokenLogprobs(const at::Tensor& hidden_ND, const at::Tensor& head_VD,
                                   const at::Tensor& targets_N, double temperature) {
  const variable_list out = LogprobsFunction::apply(hidden_ND, head_VD, targets_N, temperature);
  return {out[0], out[1]};
}

}  // namespace cohort::policy
