#include "policy/transformer/ops/rope.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The two channels of every pair, views of [T, H, 2R].
struct Pairs {
  at::Tensor first, second;
};

Pairs HalfSplit(const at::Tensor& x) {
  const int64_t half = x.size(-1) / 2;
  return {x.narrow(-1, 0, half), x.narrow(-1, half, half)};
}

Pairs Neighbours(const at::Tensor& x) {
  return {x.slice(-1, 0, std::nullopt, 2), x.slice(-1, 1, std::nullopt, 2)};
}

// A head's channels that rotate, and the others.
struct Parts {
  at::Tensor rotated, rest;
};

Parts Split(const at::Tensor& x, const at::Tensor& cos_T1R) {
  const int64_t rotated = 2 * cos_T1R.size(-1);
  return {x.narrow(-1, 0, rotated), x.narrow(-1, rotated, x.size(-1) - rotated)};
}

// sign +1 rotates forwards, -1 back, which is also the gradient of the rotation.
void RotateInto(Pairs out, const Pairs& x, const at::Tensor& cos, const at::Tensor& sin,
                double sign) {
  at::mul_out(out.first, x.first, cos);
  out.first.addcmul_(x.second, sin, -sign);
  at::mul_out(out.second, x.second, cos);
  out.second.addcmul_(x.first, sin, sign);
}

class RotateFunction : public torch::autograd::Function<RotateFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cos,
                            const at::Tensor& sin, bool interleaved) {
    context->save_for_backward({cos, sin});
    context->saved_data["interleaved"] = interleaved;
    const at::Tensor out = at::empty(x.sizes(), x.options());
    const Parts from = Split(x, cos), to = Split(out, cos);
    RotateInto(HalfSplit(to.rotated),
               interleaved ? Neighbours(from.rotated) : HalfSplit(from.rotated), cos, sin, 1.0);
    to.rest.copy_(from.rest);
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& gradient = gradients[0];
    const at::Tensor d_x = at::empty(gradient.sizes(), gradient.options());
    const bool interleaved = context->saved_data["interleaved"].toBool();
    const Parts from = Split(gradient, saved[0]), to = Split(d_x, saved[0]);
    RotateInto(interleaved ? Neighbours(to.rotated) : HalfSplit(to.rotated),
               HalfSplit(from.rotated), saved[0], saved[1], -1.0);
    to.rest.copy_(from.rest);
    return {d_x, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

RopeAngles RopeAnglesAt(const at::Tensor& positions_T, const RopeFrequencies& frequencies,
                        const at::Tensor& long_T) {
  const auto on_device = [&](const std::vector<float>& inverse) {
    return at::tensor(inverse, at::kFloat).to(positions_T.device());
  };
  at::Tensor inverse = on_device(frequencies.inverse);
  if (long_T.defined() && frequencies.long_beyond > 0) {
    inverse = at::where(long_T.unsqueeze(1), on_device(frequencies.long_inverse), inverse);
  }
  const at::Tensor angle_TR = positions_T.to(at::kFloat).unsqueeze(1) * inverse;
  RopeAngles angles{angle_TR.cos().unsqueeze(1), angle_TR.sin().unsqueeze(1)};
  if (frequencies.attention_factor != 1.0) {
    angles.cos_T1R.mul_(frequencies.attention_factor);
    angles.sin_T1R.mul_(frequencies.attention_factor);
  }
  return angles;
}

at::Tensor Rotate(const at::Tensor& x_THd, const RopeAngles& angles, bool interleaved) {
  return RotateFunction::apply(x_THd, angles.cos_T1R.to(x_THd.scalar_type()),
                               angles.sin_T1R.to(x_THd.scalar_type()), interleaved);
}

}  // namespace cohort::policy
