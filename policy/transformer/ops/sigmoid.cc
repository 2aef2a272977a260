#include "policy/transformer/ops/sigmoid.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor ByKernel(const at::Tensor& x) {
  const at::Tensor from = x.contiguous(), out = at::empty_like(from);
  const int64_t n = x.dim() > 0 ? x.size(-1) : 1;
  const float* values = from.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  ForEachRow(n > 0 ? x.numel() / n : 0,
             [&](int64_t row) { kernels::BestOps().sigmoid(values + row * n, n, to + row * n); });
  return out;
}

class SigmoidFunction : public torch::autograd::Function<SigmoidFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x) {
    const at::Tensor out = BackendFor(x) == Backend::kOwnCpu ? ByKernel(x) : at::sigmoid(x);
    context->save_for_backward({out});
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {at::sigmoid_backward(gradients[0], context->get_saved_variables()[0])};
  }
};

}  // namespace

at::Tensor Sigmoid(const at::Tensor& x) { return SigmoidFunction::apply(x); }

}  // namespace cohort::policy
