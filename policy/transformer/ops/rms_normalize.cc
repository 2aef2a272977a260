#include "policy/transformer/ops/rms_normalize.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor OwnForward(const at::Tensor& x, const at::Tensor& weight, float eps) {
  const at::Tensor out = at::empty_like(x);
  const int64_t n = x.size(-1), rows = x.numel() / n;
  const float *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  ForEachRow(rows,
             [&](int64_t i) { kernels::BestOps().rms_norm(from + i * n, w, eps, n, to + i * n); });
  return out;
}

struct Gradients {
  at::Tensor dx, dw;
};

Gradients OwnBackward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& gradient,
                      float eps) {
  const int64_t n = x.size(-1), rows = x.numel() / n;
  const int64_t tasks = (rows + kRowsPerTask - 1) / kRowsPerTask;
  const at::Tensor dx = at::empty_like(x);
  const at::Tensor dw = at::zeros({tasks, n}, x.options());  // a part a task, summed in order
  const float *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
  const float* g = gradient.const_data_ptr<float>();
  float *to = dx.mutable_data_ptr<float>(), *parts = dw.mutable_data_ptr<float>();
  RunTasks(tasks, [&](int64_t task) {
    for (int64_t i = task * kRowsPerTask; i < std::min((task + 1) * kRowsPerTask, rows); ++i) {
      kernels::BestOps().rms_norm_gradient(from + i * n, w, g + i * n, eps, n, to + i * n,
                                           parts + task * n);
    }
  });
  return {dx, dw.sum(0)};
}

// One node instead of six: keeps x and 1/rms, and nothing else, for the way back.
class RmsNormFunction : public torch::autograd::Function<RmsNormFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            double eps) {
    if (BackendFor(x, weight) == Backend::kOwnCpu) {
      context->save_for_backward({x, weight});
      context->saved_data["eps"] = eps;
      return OwnForward(x.contiguous(), weight.contiguous(), static_cast<float>(eps));
    }
    const at::Tensor wide = x.to(at::kFloat);
    const at::Tensor inverse_rms =
        at::linalg_vector_norm(wide, 2, {-1}, true).square_().div_(x.size(-1)).add_(eps).rsqrt_();
    context->save_for_backward({x, weight, inverse_rms});
    return (wide * inverse_rms).to(x.scalar_type()).mul_(weight);
  }

  // With n = x / rms: dx = (g w - n mean(g w n)) / rms, dw = sum_T g n.
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    if (saved.size() == 2) {
      const auto [dx, dw] =
          OwnBackward(x.contiguous(), saved[1].contiguous(), gradients[0].contiguous(),
                      static_cast<float>(context->saved_data["eps"].toDouble()));
      return {dx, dw, at::Tensor()};
    }
    const at::Tensor& inverse_rms = saved[2];
    const at::Tensor gradient = gradients[0].to(at::kFloat);
    const at::Tensor normal = x.to(at::kFloat) * inverse_rms;
    const at::Tensor dw = (gradient * normal).flatten(0, -2).sum(0);
    at::Tensor dx = gradient * saved[1];
    const at::Tensor mean = (dx * normal).mean(-1, true);
    dx.addcmul_(normal, mean, -1).mul_(inverse_rms);
    return {dx.to(x.scalar_type()), dw.to(saved[1].scalar_type()), at::Tensor()};
  }
};

}  // namespace

at::Tensor RmsNormalize(const at::Tensor& x_TD, const at::Tensor& weight_D, double eps) {
  return RmsNormFunction::apply(x_TD, weight_D, eps);
}

}  // namespace cohort::policy
