#include "policy/transformer/ops/dropout.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/counter_random.h"
#include "base/error.h"
#include "policy/tensor/parallel_tasks.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// 0 or 1 / (1 - share), [T, I] fp32 on the CPU. Philox gives the draws of four columns at once.
at::Tensor Factors(const at::Tensor& keys_T, int64_t width, double share, uint64_t seed,
                   uint32_t layer) {
  const auto bound = static_cast<uint64_t>(std::llround(share * 0x1p32));
  const auto kept = static_cast<float>(1 / (1 - share));
  const at::Tensor factors = at::empty({keys_T.numel(), width}, at::kFloat);
  const int64_t* keys = keys_T.const_data_ptr<int64_t>();
  float* out = factors.mutable_data_ptr<float>();
  const std::array<uint32_t, 2> philox_key = {static_cast<uint32_t>(seed),
                                              static_cast<uint32_t>(seed >> 32)};
  ForEachRow(keys_T.numel(), [&](int64_t t) {
    const auto key = static_cast<uint64_t>(keys[t]);
    for (int64_t column = 0; column < width; column += 4) {
      const std::array<uint32_t, 4> draws =
          base::Philox4x32({static_cast<uint32_t>(column / 4), layer, static_cast<uint32_t>(key),
                            static_cast<uint32_t>(key >> 32)},
                           philox_key);
      for (int64_t i = 0; i < std::min<int64_t>(4, width - column); ++i) {
        out[t * width + column + i] = draws[static_cast<size_t>(i)] < bound ? 0.0F : kept;
      }
    }
  });
  return factors;
}

// Keeps the keys alone and draws again on the way back.
class DropOutFunction : public torch::autograd::Function<DropOutFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& keys,
                            double share, int64_t seed, int64_t layer) {
    context->save_for_backward({keys});
    context->saved_data["share"] = share;
    context->saved_data["seed"] = seed;
    context->saved_data["layer"] = layer;
    return Apply(x, keys, share, seed, layer);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto number = [&](const char* name) { return context->saved_data[name].toInt(); };
    return {Apply(gradients[0], context->get_saved_variables()[0],
                  context->saved_data["share"].toDouble(), number("seed"), number("layer")),
            {},
            {},
            {},
            {}};
  }

 private:
  static at::Tensor Apply(const at::Tensor& x, const at::Tensor& keys, double share, int64_t seed,
                          int64_t layer) {
    return x * Factors(keys, x.size(1), share, static_cast<uint64_t>(seed),
                       static_cast<uint32_t>(layer))
                   .to(x.options());
  }
};

}  // namespace

at::Tensor DropOut(const at::Tensor& x_TI, const DropoutDraws& draws, const at::Tensor& keys_T,
                   uint32_t layer) {
  COHORT_CHECK(keys_T.defined() && x_TI.dim() == 2 && x_TI.size(0) == keys_T.numel(),
               "dropout has a key for every row");
  return DropOutFunction::apply(x_TI, keys_T, draws.share, static_cast<int64_t>(draws.seed),
                                static_cast<int64_t>(layer));
}

}  // namespace cohort::policy
