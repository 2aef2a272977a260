#include "policy/transformer/ops/causal_conv.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/cpu/segment_conv.h"
#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

kernels::SegmentConvArgs Describe(const at::Tensor& x_TC, const at::Tensor& weight_WC,
                                  const std::vector<Segment>& segments) {
  return {segments, x_TC.size(1), weight_WC.size(0), x_TC.const_data_ptr<float>(),
          weight_WC.const_data_ptr<float>()};
}

class ConvFunction : public torch::autograd::Function<ConvFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_in,
                            const at::Tensor& weight_CW, const std::vector<Segment>& segments) {
    const at::Tensor x = x_in.contiguous(), weight = weight_CW.t().contiguous();
    const at::Tensor out = at::empty_like(x);
    kernels::ConvSiluOverSegments(Describe(x, weight, segments), out.mutable_data_ptr<float>(),
                                  kernels::BestOps(), RunTasks);
    context->save_for_backward({x, weight});
    context->saved_data["segments"] = NumbersOf(segments);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const std::vector<Segment> segments = SegmentsOf(context->saved_data["segments"].toIntVector());
    const at::Tensor out_gradient = gradients[0].contiguous();
    const at::Tensor dx = at::empty_like(saved[0]), dw = at::empty_like(saved[1]);
    kernels::ConvSiluOverSegmentsBackward(
        Describe(saved[0], saved[1], segments), out_gradient.const_data_ptr<float>(),
        {dx.mutable_data_ptr<float>(), dw.mutable_data_ptr<float>()}, kernels::BestOps(), RunTasks);
    return {dx, dw.t(), at::Tensor()};
  }
};

// The rows that a segment's first one looks back on.
at::Tensor RowsBefore(const at::Tensor& x_TC, const Segment& segment, int64_t count) {
  const int64_t known = std::min(count, segment.prefix_length);
  const at::Tensor zeros = at::zeros({count - known, x_TC.size(1)}, x_TC.options());
  if (known == 0) return zeros;
  const int64_t first = segment.prefix_first + segment.prefix_length - known;
  return at::cat({zeros, x_TC.narrow(0, first, known)});
}

at::Tensor ConvByLibTorch(const at::Tensor& x_TC, const at::Tensor& weight_CW,
                          const std::vector<Segment>& segments) {
  const int64_t width = weight_CW.size(1);
  std::vector<at::Tensor> sums;
  for (const Segment& segment : segments) {
    if (segment.length == 0) continue;
    const at::Tensor rows = at::cat(
        {RowsBefore(x_TC, segment, width - 1), x_TC.narrow(0, segment.first, segment.length)});
    at::Tensor sum = rows.narrow(0, 0, segment.length) * weight_CW.select(1, 0);
    for (int64_t j = 1; j < width; ++j) {
      sum = at::addcmul(sum, rows.narrow(0, j, segment.length), weight_CW.select(1, j));
    }
    sums.push_back(sum);
  }
  return sums.empty() ? at::empty_like(x_TC) : at::silu(at::cat(sums));
}

}  // namespace

at::Tensor CausalConvSilu(const at::Tensor& x_TC, const at::Tensor& weight_CW,
                          const std::vector<Segment>& segments) {
  switch (BackendFor(x_TC, weight_CW)) {
    case Backend::kOwnCpu:
      return ConvFunction::apply(x_TC, weight_CW, segments);
    case Backend::kLibTorch:
      return ConvByLibTorch(x_TC, weight_CW, segments);
  }
  return {};
}

}  // namespace cohort::policy
