#include "policy/transformer/ops/attend_segments.h"

#include <torch/torch.h>

#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

kernels::SegmentAttentionArgs Describe(const at::Tensor& q, const at::Tensor& k,
                                       const at::Tensor& v, const AttentionScores& scores,
                                       const std::vector<Segment>& segments) {
  return {.segments = segments,
          .heads = q.size(1),
          .kv_heads = k.size(1),
          .qk_dim = q.size(2),
          .v_dim = v.size(2),
          .scale = static_cast<float>(scores.scale),
          .window = scores.window,
          .q = q.const_data_ptr<float>(),
          .k = k.const_data_ptr<float>(),
          .v = v.const_data_ptr<float>()};
}

class AttendFunction : public torch::autograd::Function<AttendFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q_in,
                            const at::Tensor& k_in, const at::Tensor& v_in,
                            const AttentionScores& scores, const std::vector<Segment>& segments) {
    const at::Tensor q = q_in.contiguous(), k = k_in.contiguous(), v = v_in.contiguous();
    const at::Tensor out = at::empty({q.size(0), q.size(1) * v.size(2)}, q.options());
    kernels::AttendSegments(Describe(q, k, v, scores, segments), out.mutable_data_ptr<float>(),
                            kernels::BestOps(), RunTasks);
    context->save_for_backward({q, k, v});
    context->saved_data["scale"] = scores.scale;
    context->saved_data["window"] = scores.window;
    std::vector<int64_t> numbers;
    for (const Segment& s : segments) {
      numbers.insert(numbers.end(), {s.first, s.length, s.prefix_first, s.prefix_length});
    }
    context->saved_data["segments"] = std::move(numbers);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2];
    const std::vector<int64_t> numbers = context->saved_data["segments"].toIntVector();
    std::vector<Segment> segments;
    for (size_t i = 0; i < numbers.size(); i += 4) {
      segments.push_back({numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]});
    }
    const at::Tensor out_gradient = gradients[0].contiguous();
    const at::Tensor dq = at::empty_like(q), dk = at::zeros_like(k), dv = at::zeros_like(v);
    kernels::AttendSegmentsBackward(
        Describe(q, k, v,
                 {context->saved_data["scale"].toDouble(), context->saved_data["window"].toInt()},
                 segments),
        out_gradient.const_data_ptr<float>(),
        {dq.mutable_data_ptr<float>(), dk.mutable_data_ptr<float>(), dv.mutable_data_ptr<float>()},
        kernels::BestOps(), RunTasks);
    return {dq, dk, dv, at::Tensor(), at::Tensor()};
  }
};

// [rows, heads, dim] of a segment, its prefix before it where asked for, as [1, heads, rows, dim].
at::Tensor HeadsFirst(const at::Tensor& x, const Segment& segment, bool with_prefix) {
  at::Tensor rows = x.narrow(0, segment.first, segment.length);
  if (with_prefix && segment.prefix_length > 0) {
    rows = at::cat({x.narrow(0, segment.prefix_first, segment.prefix_length), rows});
  }
  return rows.transpose(0, 1).unsqueeze(0);
}

at::Tensor AttendByLibTorch(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const AttentionScores& scores, const std::vector<Segment>& segments) {
  std::vector<at::Tensor> out;
  for (const Segment& segment : segments) {
    if (segment.length == 0) continue;
    const int64_t prefix = segment.prefix_length, keys = prefix + segment.length;
    const bool masked = prefix > 0 || (scores.window > 0 && scores.window < keys);
    std::optional<at::Tensor> mask;
    if (masked) {
      mask = at::ones({segment.length, keys}, q.options().dtype(at::kBool)).tril_(prefix);
      if (scores.window > 0) mask->triu_(prefix - scores.window + 1);
    }
    out.push_back(at::scaled_dot_product_attention(
                      HeadsFirst(q, segment, false), HeadsFirst(k, segment, true),
                      HeadsFirst(v, segment, true), mask, /*dropout_p=*/0.0,
                      /*is_causal=*/!masked, scores.scale, /*enable_gqa=*/q.size(1) != k.size(1))
                      .squeeze(0)
                      .transpose(0, 1)
                      .reshape({segment.length, -1}));
  }
  return out.empty() ? at::empty({0, q.size(1) * v.size(2)}, q.options()) : at::cat(out);
}

}  // namespace

at::Tensor AttendSegments(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const AttentionScores& scores, const std::vector<Segment>& segments) {
  switch (BackendFor(q, k, v)) {
    case Backend::kOwnCpu:
      return AttendFunction::apply(q, k, v, scores, segments);
    case Backend::kLibTorch:
      return AttendByLibTorch(q, k, v, scores, segments);
  }
  return {};
}

}  // namespace cohort::policy
