#include "policy/transformer/ops/logprobs.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/cpu/ops.h"
#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"
#include "policy/transformer/ops/matmul.h"
#include "policy/transformer/ops/saved_numerics.h"
#include "policy/transformer/ops/softmax_rows.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows whose fp32 logits take about 32 MiB; enough rows to keep the matrix product efficient. Whole
// chains of it, so that the head's gradient, added up chunk by chunk, has the bits of one product.
int64_t RowsPerChunk(int64_t vocab_size) {
  constexpr int64_t kChain = kernels::kChainTerms;
  const int64_t rows = (int64_t{1} << 23) / std::max<int64_t>(1, vocab_size);
  return std::max(kChain, rows / kChain * kChain);
}

// Logits are kept for the backward pass where all of them together take no more.
constexpr int64_t kMaxKeptBytes = int64_t{128} << 20;

bool KeepsLogits(int64_t rows, int64_t vocab_size) {
  return rows * vocab_size * int64_t{sizeof(float)} <= kMaxKeptBytes;
}

void CapInPlace(at::Tensor logits, double soft_cap) {
  if (soft_cap <= 0) return;
  if (BackendFor(logits) == Backend::kLibTorch) {
    logits.div_(soft_cap).tanh_().mul_(soft_cap);
    return;
  }
  const int64_t vocab_size = logits.size(1);
  float* rows = logits.mutable_data_ptr<float>();
  ForEachRow(logits.size(0), [&](int64_t row) {
    kernels::BestOps().soft_cap(rows + row * vocab_size, 1.0f, static_cast<float>(soft_cap),
                                vocab_size);
  });
}

class LogprobsFunction : public torch::autograd::Function<LogprobsFunction> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& hidden,
                               const at::Tensor& head, const at::Tensor& targets_in,
                               double temperature, double soft_cap) {
    const int64_t num_rows = hidden.size(0), vocab_size = head.size(0);
    const auto options = hidden.options().dtype(at::kFloat);
    const auto make = [&] { return at::empty({num_rows}, options); };
    const NormalizedRows out{make(), make(), {make(), make()}};
    const at::Tensor targets = targets_in.contiguous();
    const at::Tensor wide_head = head.to(at::kFloat);
    const bool keep =
        (hidden.requires_grad() || head.requires_grad()) && KeepsLogits(num_rows, vocab_size);
    const at::Tensor kept = keep ? at::empty({num_rows, vocab_size}, options) : at::Tensor();
    const int64_t chunk = RowsPerChunk(vocab_size);
    for (int64_t first = 0; first < num_rows; first += chunk) {
      const int64_t count = std::min(chunk, num_rows - first);
      const at::Tensor x = hidden.narrow(0, first, count).to(at::kFloat);
      const at::Tensor logits =
          keep ? kept.narrow(0, first, count) : at::empty({count, vocab_size}, options);
      MatmulNtInto({{logits, x, wide_head}});
      CapInPlace(logits, soft_cap);
      const LogitRows rows{logits, targets.narrow(0, first, count), temperature};
      Normalize(rows, out.Narrow(first, count));
    }
    context->save_for_backward({hidden, head, targets, out.scale.max, out.scale.sum, kept});
    context->saved_data["temperature"] = temperature;
    SaveNumerics(context);
    context->saved_data["soft_cap"] = soft_cap;
    context->mark_non_differentiable({out.entropy});
    return {out.logprobs, out.entropy};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const NumericsScope numerics(SavedNumerics(context));
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &hidden = saved[0], &head = saved[1], &targets = saved[2], &kept = saved[5];
    const RowScale scale{saved[3], saved[4]};
    const double temperature = context->saved_data["temperature"].toDouble();
    const double soft_cap = context->saved_data["soft_cap"].toDouble();
    const at::Tensor wide_head = head.to(at::kFloat);
    const at::Tensor weight = (gradients[0].to(at::kFloat) / temperature).contiguous();
    const at::Tensor d_hidden = at::empty(hidden.sizes(), wide_head.options());
    const at::Tensor d_head = at::zeros_like(wide_head);
    const int64_t chunk = RowsPerChunk(head.size(0));
    for (int64_t first = 0; first < hidden.size(0); first += chunk) {
      const int64_t count = std::min(chunk, hidden.size(0) - first);
      const at::Tensor x = hidden.narrow(0, first, count).to(at::kFloat);
      const at::Tensor logits =
          kept.defined() ? kept.narrow(0, first, count) : MatmulNt(x, wide_head);
      if (!kept.defined()) CapInPlace(logits, soft_cap);
      const LogitRows rows{logits, targets.narrow(0, first, count), temperature};
      const at::Tensor d_logits =
          LogitGradient(rows, scale.Narrow(first, count), weight.narrow(0, first, count));
      // d tanh(l / c) c / dl = 1 - tanh^2
      if (soft_cap > 0) d_logits.mul_(1 - (logits / soft_cap).square_());
      MatmulNtInto({{d_hidden.narrow(0, first, count), d_logits, wide_head.t()},
                    {d_head, d_logits.t(), x.t(), /*accumulate=*/true}});
    }
    return {d_hidden.to(hidden.scalar_type()), d_head.to(head.scalar_type()), at::Tensor(),
            at::Tensor(), at::Tensor()};
  }
};

}  // namespace

int64_t LogprobsBytes(int64_t rows, int64_t vocab_size, int64_t width, bool trained) {
  const int64_t chunk = std::min(rows, RowsPerChunk(vocab_size));
  const int64_t logits = (KeepsLogits(rows, vocab_size) ? rows : chunk) + chunk;
  return int64_t{sizeof(float)} * vocab_size * (logits + (trained ? width : 0));
}

TokenLogprobs ComputeTokenLogprobs(const at::Tensor& hidden_ND, const LogitHead& head,
                                   const at::Tensor& targets_N, double temperature) {
  const HigherPrecisionScope higher;
  const variable_list out =
      LogprobsFunction::apply(hidden_ND, head.weight_VD, targets_N, temperature, head.soft_cap);
  return {out[0], out[1]};
}

}  // namespace cohort::policy
