#include "policy/transformer/ops/gated_delta_rule.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <map>

#include "kernels/cpu/segment_delta_rule.h"
#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kChunk = 64;

kernels::SegmentDeltaRuleArgs Describe(const DeltaRuleInput& in, const at::Tensor& decay,
                                       const std::vector<Segment>& segments) {
  return {{in.k.size(1), in.v.size(1), in.k.size(2), in.v.size(2)},
          segments,
          in.q.const_data_ptr<float>(),
          in.k.const_data_ptr<float>(),
          in.v.const_data_ptr<float>(),
          decay.const_data_ptr<float>(),
          in.beta.const_data_ptr<float>()};
}

// Number by number, as the decoder's.
at::Tensor DecayOf(const at::Tensor& log_decay) {
  const at::Tensor out = at::empty_like(log_decay);
  const float* from = log_decay.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  const int64_t heads = log_decay.size(1);
  ForEachRow(log_decay.size(0), [&](int64_t t) {
    for (int64_t i = t * heads; i < (t + 1) * heads; ++i) to[i] = std::exp(from[i]);
  });
  return out;
}

class DeltaRuleFunction : public torch::autograd::Function<DeltaRuleFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const at::Tensor& log_decay,
                            const at::Tensor& beta, const std::vector<Segment>& segments) {
    const DeltaRuleInput in{q.contiguous(), k.contiguous(), v.contiguous(), log_decay.contiguous(),
                            beta.contiguous()};
    const at::Tensor out = at::empty({v.size(0), v.size(1) * v.size(2)}, v.options());
    const at::Tensor residual = at::empty_like(out), decay = DecayOf(in.log_decay);
    kernels::DeltaRuleOverSegments(Describe(in, decay, segments), out.mutable_data_ptr<float>(),
                                   residual.mutable_data_ptr<float>(), kernels::BestOps(),
                                   RunTasks);
    context->save_for_backward({in.q, in.k, in.v, in.log_decay, in.beta, residual});
    context->saved_data["segments"] = NumbersOf(segments);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const DeltaRuleInput in{saved[0], saved[1], saved[2], saved[3], saved[4]};
    const std::vector<Segment> segments = SegmentsOf(context->saved_data["segments"].toIntVector());
    const at::Tensor out_gradient = gradients[0].contiguous(), decay = DecayOf(in.log_decay);
    variable_list d;
    for (size_t i = 0; i < 5; ++i) d.push_back(at::zeros_like(saved[i]));
    kernels::DeltaRuleOverSegmentsBackward(
        Describe(in, decay, segments),
        {in.log_decay.const_data_ptr<float>(), saved[5].const_data_ptr<float>(),
         out_gradient.const_data_ptr<float>()},
        {d[0].mutable_data_ptr<float>(), d[1].mutable_data_ptr<float>(),
         d[2].mutable_data_ptr<float>(), d[3].mutable_data_ptr<float>(),
         d[4].mutable_data_ptr<float>()},
        kernels::BestOps(), RunTasks);
    d.emplace_back();
    return d;
  }
};

// The rows of a chunk with its heads first, in fp32 or wider. C rows.
struct DeltaChunk {
  at::Tensor q, k, v;            // [H, C, key_dim or value_dim]
  at::Tensor since_start, beta;  // [H, C, 1]: the sum of log decays up to the row

  DeltaChunk(const DeltaRuleInput& in, int64_t first, int64_t count) {
    const at::ScalarType wide = in.v.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const auto heads = [&](const at::Tensor& x) {
      const at::Tensor rows = x.narrow(0, first, count).to(wide);
      return rows.repeat_interleave(in.v.size(1) / x.size(1), 1).transpose(0, 1);
    };
    q = heads(in.q), k = heads(in.k), v = heads(in.v);
    since_start = heads(in.log_decay).unsqueeze(2).cumsum(1);
    beta = heads(in.beta).unsqueeze(2);
  }

  // The outputs [H, C, value_dim]; *state goes from the chunk's start to its end.
  at::Tensor Run(at::Tensor* state) const {
    // e^ of the decay from row s to row t, 0 above the diagonal.
    const at::Tensor decay = (since_start - since_start.transpose(1, 2)).tril().exp().tril();
    const at::Tensor pairs = (beta * k).matmul(k.transpose(1, 2)) * decay;
    const at::Tensor from_start = since_start.exp();
    const at::Tensor own = beta * (v - from_start * k.matmul(*state));
    const at::Tensor write = at::linalg_solve_triangular(
        pairs.tril(-1) + at::eye(pairs.size(1), pairs.options()), own, /*upper=*/false,
        /*left=*/true, /*unitriangular=*/true);
    const at::Tensor out =
        from_start * q.matmul(*state) + (q.matmul(k.transpose(1, 2)) * decay).matmul(write);
    const at::Tensor last = since_start.narrow(1, since_start.size(1) - 1, 1);
    *state = last.exp() * *state + ((last - since_start).exp() * k).transpose(1, 2).matmul(write);
    return out;
  }
};

at::Tensor ChunksByLibTorch(const DeltaRuleInput& in, const std::vector<Segment>& segments) {
  const int64_t heads = in.v.size(1), width = heads * in.v.size(2);
  const at::ScalarType wide = in.v.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  std::map<int64_t, at::Tensor> ends;  // the states of segments by their first row
  std::vector<at::Tensor> out;
  for (const Segment& segment : segments) {
    if (segment.length == 0) continue;
    at::Tensor state = segment.prefix_length > 0 ? ends.at(segment.prefix_first)
                                                 : at::zeros({heads, in.k.size(2), in.v.size(2)},
                                                             in.v.options().dtype(wide));
    for (int64_t row = 0; row < segment.length; row += kChunk) {
      const int64_t count = std::min(kChunk, segment.length - row);
      out.push_back(DeltaChunk(in, segment.first + row, count)
                        .Run(&state)
                        .transpose(0, 1)
                        .reshape({count, width}));
    }
    ends.emplace(segment.first, state);
  }
  return (out.empty() ? at::empty({0, width}, in.v.options()) : at::cat(out))
      .to(in.v.scalar_type());
}

}  // namespace

at::Tensor GatedDeltaRule(const DeltaRuleInput& input, const std::vector<Segment>& segments) {
  switch (BackendFor(input.q, input.k, input.v, input.log_decay, input.beta)) {
    case Backend::kOwnCpu:
      return DeltaRuleFunction::apply(input.q, input.k, input.v, input.log_decay, input.beta,
                                      segments);
    case Backend::kLibTorch:
      return ChunksByLibTorch(input, segments);
  }
  return {};
}

}  // namespace cohort::policy
