#include "policy/transformer/ops/rope.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

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

// The same by the decoder's kernel. x's channels lie side by side; `to_neighbours` goes the other
// way: pairs (i, i + R) of x become neighbours.
struct PairOrder {
  bool from_neighbours = false, to_neighbours = false;
};
at::Tensor RotateByKernel(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                          PairOrder order) {
  const at::Tensor out = at::empty(x.sizes(), x.options());
  const int64_t heads = x.size(1), width = x.size(2), half = cos.size(-1);
  const float *from = x.const_data_ptr<float>(), *c = cos.const_data_ptr<float>(),
              *s = sin.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  ForEachRow(x.size(0), [&](int64_t t) {
    std::vector<float> turned(static_cast<size_t>(order.to_neighbours ? 2 * half : 0));
    for (int64_t head = 0; head < heads; ++head) {
      const float* a = from + t * x.stride(0) + head * x.stride(1);
      float* b = to + (t * heads + head) * width;
      float* pairs = order.to_neighbours ? turned.data() : b;
      for (int64_t i = 0; i < half; ++i) {
        pairs[i] = a[order.from_neighbours ? 2 * i : i];
        pairs[half + i] = a[order.from_neighbours ? 2 * i + 1 : half + i];
      }
      kernels::BestOps().rope(pairs, c + t * half, s + t * half, half);
      for (int64_t i = 0; order.to_neighbours && i < half; ++i) {
        b[2 * i] = pairs[i];
        b[2 * i + 1] = pairs[half + i];
      }
      std::copy(a + 2 * half, a + width, b + 2 * half);
    }
  });
  return out;
}

at::Tensor ChannelsTogether(const at::Tensor& x) { return x.stride(2) == 1 ? x : x.contiguous(); }

class RotateFunction : public torch::autograd::Function<RotateFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cos,
                            const at::Tensor& sin, bool interleaved) {
    context->save_for_backward({cos, sin});
    context->saved_data["interleaved"] = interleaved;
    if (BackendFor(x, cos, sin) == Backend::kOwnCpu) {
      return RotateByKernel(ChannelsTogether(x), cos, sin, {.from_neighbours = interleaved});
    }
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
    if (BackendFor(gradient, saved[0], saved[1]) == Backend::kOwnCpu) {
      const bool interleaved = context->saved_data["interleaved"].toBool();
      return {RotateByKernel(ChannelsTogether(gradient), saved[0], saved[1].neg(),
                             {.to_neighbours = interleaved}),
              at::Tensor(), at::Tensor(), at::Tensor()};
    }
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

namespace {

RopeAngles AnglesOnCpu(const at::Tensor& positions_T, const RopeFrequencies& frequencies,
                       const at::Tensor& long_T) {
  const at::Tensor positions = positions_T.to(at::kLong).contiguous();
  const auto half = static_cast<int64_t>(frequencies.inverse.size());
  const auto make = [&] { return at::empty({positions.size(0), 1, half}, at::kFloat); };
  const RopeAngles angles{make(), make()};
  const at::Tensor is_long = long_T.defined() ? long_T.contiguous() : at::Tensor();
  const bool* beyond =
      is_long.defined() && frequencies.long_beyond > 0 ? is_long.const_data_ptr<bool>() : nullptr;
  const int64_t* at = positions.const_data_ptr<int64_t>();
  float *cos = angles.cos_T1R.mutable_data_ptr<float>(),
        *sin = angles.sin_T1R.mutable_data_ptr<float>();
  ForEachRow(positions.size(0), [&](int64_t t) {
    const bool turns_long = beyond != nullptr && beyond[t];
    FillRopeAngles(turns_long ? frequencies.long_inverse : frequencies.inverse,
                   frequencies.attention_factor, at[t], cos + t * half, sin + t * half);
  });
  return angles;
}

}  // namespace

RopeAngles RopeAnglesAt(const at::Tensor& positions_T, const RopeFrequencies& frequencies,
                        const at::Tensor& long_T) {
  if (positions_T.is_cpu()) return AnglesOnCpu(positions_T, frequencies, long_T);
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
