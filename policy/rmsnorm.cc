#include "policy/rmsnorm.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// One node instead of six: keeps x and 1/rms, and nothing else, for the way back.
class RmsNormFunction : public torch::autograd::Function<RmsNormFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            double eps) {
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
