#include "policy/rope.h"

#include <torch/torch.h>

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// sign +1 rotates forwards, -1 back, which is also the gradient of the rotation.
at::Tensor RotateBy(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                    double sign) {
  const int64_t half = x.size(-1) / 2;
  const at::Tensor first = x.narrow(-1, 0, half);
  const at::Tensor second = x.narrow(-1, half, half);
  at::Tensor out = at::empty(x.sizes(), x.options());
  at::Tensor out_first = out.narrow(-1, 0, half);
  at::Tensor out_second = out.narrow(-1, half, half);
  at::mul_out(out_first, first, cos);
  out_first.addcmul_(second, sin, -sign);
  at::mul_out(out_second, second, cos);
  out_second.addcmul_(first, sin, sign);
  return out;
}

class RotateFunction : public torch::autograd::Function<RotateFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cos,
                            const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    return RotateBy(x, cos, sin, 1.0);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    return {RotateBy(gradients[0], saved[0], saved[1], -1.0), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

RopeTable MakeRopeTable(const at::Tensor& positions_T, int64_t head_dim, double base) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(positions_T.device());
  const at::Tensor exponent = at::arange(0, head_dim, 2, options).div_(head_dim);
  const at::Tensor frequency = at::pow(base, exponent).reciprocal_();
  const at::Tensor angle = positions_T.to(at::kFloat).unsqueeze(1) * frequency;
  return {angle.cos().unsqueeze(1), angle.sin().unsqueeze(1)};
}

at::Tensor Rotate(const at::Tensor& x_THd, const RopeTable& table) {
  return RotateFunction::apply(x_THd, table.cos_T1R.to(x_THd.scalar_type()),
                               table.sin_T1R.to(x_THd.scalar_type()));
}

}  // namespace cohort::policy
