#include "policy/transformer/ops/attend_segments.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>
#include <optional>

#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Inputs {
  at::Tensor q, k, v, sinks;  // contiguous; sinks may be undefined

  kernels::SegmentAttentionArgs Describe(const AttentionScores& scores,
                                         const std::vector<Segment>& segments) const {
    return {.segments = segments,
            .heads = q.size(1),
            .kv_heads = k.size(1),
            .qk_dim = q.size(2),
            .v_dim = v.size(2),
            .scale = static_cast<float>(scores.scale),
            .soft_cap = static_cast<float>(scores.soft_cap),
            .window = scores.window,
            .q = q.const_data_ptr<float>(),
            .k = k.const_data_ptr<float>(),
            .v = v.const_data_ptr<float>(),
            .sinks = sinks.defined() ? sinks.const_data_ptr<float>() : nullptr};
  }
};

class AttendFunction : public torch::autograd::Function<AttendFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const std::optional<at::Tensor>& sinks,
                            const AttentionScores& scores, const std::vector<Segment>& segments) {
    const Inputs inputs{q.contiguous(), k.contiguous(), v.contiguous(),
                        sinks ? sinks->contiguous() : at::Tensor()};
    const at::Tensor out = at::empty({q.size(0), q.size(1) * v.size(2)}, q.options());
    kernels::AttendSegments(inputs.Describe(scores, segments), out.mutable_data_ptr<float>(),
                            kernels::BestOps(), RunTasks);
    context->save_for_backward({inputs.q, inputs.k, inputs.v, inputs.sinks});
    context->saved_data["scale"] = scores.scale;
    context->saved_data["window"] = scores.window;
    context->saved_data["soft_cap"] = scores.soft_cap;
    context->saved_data["segments"] = NumbersOf(segments);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const Inputs inputs{saved[0], saved[1], saved[2], saved[3]};
    const std::vector<Segment> segments = SegmentsOf(context->saved_data["segments"].toIntVector());
    const at::Tensor out_gradient = gradients[0].contiguous();
    const at::Tensor dq = at::empty_like(inputs.q), dk = at::zeros_like(inputs.k),
                     dv = at::zeros_like(inputs.v);
    const at::Tensor d_sinks = inputs.sinks.defined() ? at::zeros_like(inputs.sinks) : at::Tensor();
    const AttentionScores scores{.scale = context->saved_data["scale"].toDouble(),
                                 .window = context->saved_data["window"].toInt(),
                                 .soft_cap = context->saved_data["soft_cap"].toDouble()};
    kernels::AttendSegmentsBackward(
        inputs.Describe(scores, segments), out_gradient.const_data_ptr<float>(),
        {dq.mutable_data_ptr<float>(), dk.mutable_data_ptr<float>(), dv.mutable_data_ptr<float>(),
         d_sinks.defined() ? d_sinks.mutable_data_ptr<float>() : nullptr},
        kernels::BestOps(), RunTasks);
    return {dq, dk, dv, d_sinks, at::Tensor(), at::Tensor()};
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

// What a row of a segment sees of its keys; none where it is plainly causal.
std::optional<at::Tensor> Mask(const Segment& segment, int64_t window, const at::Tensor& like) {
  const int64_t prefix = segment.prefix_length, keys = prefix + segment.length;
  if (prefix == 0 && (window == 0 || window >= keys)) return std::nullopt;
  const at::Tensor mask = at::ones({segment.length, keys}, like.options().dtype(at::kBool));
  mask.tril_(prefix);
  if (window > 0) mask.triu_(prefix - window + 1);
  return mask;
}

// The formula step by step, in at least fp32 as the fused kernels have their softmax; heads first:
// q [1, H, rows, d], k and v [1, KV heads, keys, d].
at::Tensor AttendStepByStep(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::optional<at::Tensor>& mask, const AttentionScores& scores,
                            const at::Tensor& sinks_H) {
  const int64_t group = q.size(1) / k.size(1);
  const at::ScalarType wide = at::promote_types(q.scalar_type(), at::kFloat);
  const at::Tensor keys = k.repeat_interleave(group, 1), values = v.repeat_interleave(group, 1);
  at::Tensor logits = q.matmul(keys.transpose(2, 3)).to(wide) * scores.scale;
  if (scores.soft_cap > 0) logits = at::tanh(logits / scores.soft_cap) * scores.soft_cap;
  const at::Tensor seen =
      mask ? *mask : at::ones_like(logits[0][0], logits.options().dtype(at::kBool)).tril();
  logits = logits.masked_fill(seen.logical_not(), -std::numeric_limits<double>::infinity());
  if (sinks_H.defined()) {
    const at::Tensor sinks = sinks_H.to(wide).view({1, -1, 1, 1});
    logits = at::cat({logits, sinks.expand({1, -1, logits.size(2), 1})}, 3);
  }
  const at::Tensor weights = logits.softmax(3).narrow(3, 0, k.size(2));
  return weights.to(q.scalar_type()).matmul(values);
}

at::Tensor AttendByLibTorch(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const AttentionScores& scores, const std::vector<Segment>& segments,
                            const at::Tensor& sinks_H) {
  std::vector<at::Tensor> out;
  for (const Segment& segment : segments) {
    if (segment.length == 0) continue;
    const std::optional<at::Tensor> mask = Mask(segment, scores.window, q);
    const at::Tensor queries = HeadsFirst(q, segment, false), keys = HeadsFirst(k, segment, true),
                     values = HeadsFirst(v, segment, true);
    const at::Tensor attended =
        scores.soft_cap > 0 || sinks_H.defined()
            ? AttendStepByStep(queries, keys, values, mask, scores, sinks_H)
            : at::scaled_dot_product_attention(queries, keys, values, mask, /*dropout_p=*/0.0,
                                               /*is_causal=*/!mask, scores.scale,
                                               /*enable_gqa=*/q.size(1) != k.size(1));
    out.push_back(attended.squeeze(0).transpose(0, 1).reshape({segment.length, -1}));
  }
  return out.empty() ? at::empty({0, q.size(1) * v.size(2)}, q.options()) : at::cat(out);
}

}  // namespace

std::vector<int64_t> NumbersOf(const std::vector<Segment>& segments) {
  std::vector<int64_t> numbers;
  for (const Segment& s : segments) {
    numbers.insert(numbers.end(), {s.first, s.length, s.prefix_first, s.prefix_length});
  }
  return numbers;
}

std::vector<Segment> SegmentsOf(const std::vector<int64_t>& numbers) {
  std::vector<Segment> segments;
  for (size_t i = 0; i < numbers.size(); i += 4) {
    segments.push_back({numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]});
  }
  return segments;
}

at::Tensor AttendSegments(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const AttentionScores& scores, const std::vector<Segment>& segments,
                          const at::Tensor& sinks_H) {
  std::optional<at::Tensor> sinks;  // autograd takes no undefined tensor
  if (sinks_H.defined()) sinks = sinks_H;
  switch (sinks ? BackendFor(q, k, v, *sinks) : BackendFor(q, k, v)) {
    case Backend::kOwnCpu:
      return AttendFunction::apply(q, k, v, sinks, scores, segments);
    case Backend::kLibTorch:
      return AttendByLibTorch(q, k, v, scores, segments, sinks_H);
  }
  return {};
}

}  // namespace cohort::policy
