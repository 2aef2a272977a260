#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <utility>

#include "policy/transformer/ops/dropout.h"
#include "policy/transformer/ops/matmul.h"
#include "policy/transformer/ops/numerics.h"

namespace cohort::policy {

// y = x W^T + b, plus its low-rank adapter where it has one (policy/lora/lora.h). Not initialised:
// weights are always loaded, and never drawn here.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(int64_t in_width, int64_t out_width, const at::TensorOptions& options,
             bool has_bias = false)
      : weight(register_parameter("weight", at::empty({out_width, in_width}, options))) {
    if (has_bias) bias = register_parameter("bias", at::empty({out_width}, options));
  }

  at::Tensor forward(const at::Tensor& x_TD) {
    at::Tensor y = Project(x_TD, {weight, weight_scale_inv});
    if (uses_lora()) {
      const HigherPrecisionScope higher;
      y = y + lora_scale_ * lora_B->forward(lora_A->forward(LoraInput(x_TD)));
    }
    return bias.defined() ? y + bias : y;
  }

  // y += scale x A^T B^T in every forward that follows. A [rank, in] and B [out, rank] have the
  // weight's dtype and device and are not initialised.
  void AddLora(int64_t rank, double scale) {
    const at::TensorOptions options = weight.options().requires_grad(false);
    lora_A = register_module("lora_A", std::make_shared<LinearImpl>(weight.size(1), rank, options));
    lora_B = register_module("lora_B", std::make_shared<LinearImpl>(rank, weight.size(0), options));
    lora_scale_ = scale;
  }
  double lora_scale() const { return lora_scale_; }
  // What the adapter leaves out of its input in training mode, by the keys of each forward's rows.
  // MergedWeight knows none.
  void DropLoraInputs(std::shared_ptr<const DropoutDraws> draws, uint32_t layer) {
    lora_draws_ = std::move(draws);
    lora_layer_ = layer;
  }
  // Without its adapter the layer is the one that the adapter was put on.
  void UseLora(bool use) { lora_on_ = use; }
  // [out, in] with the adapter added. Differentiable.
  at::Tensor MergedWeight() const {
    if (!uses_lora()) return weight;
    const HigherPrecisionScope higher;
    return weight + lora_scale_ * Project(lora_B->weight, lora_A->weight.t());
  }

  at::Tensor weight;                   // [out, in]
  at::Tensor bias;                     // [out], undefined without one
  at::Tensor weight_scale_inv;         // of a frozen weight in e4m3: KeptMatrix in ops/matmul.h
  std::shared_ptr<LinearImpl> lora_A;  // both null without an adapter
  std::shared_ptr<LinearImpl> lora_B;

 private:
  bool uses_lora() const { return lora_on_ && lora_A != nullptr; }
  at::Tensor LoraInput(const at::Tensor& x_TD) const {
    if (lora_draws_ == nullptr || !is_training()) return x_TD;
    return DropOut(x_TD, *lora_draws_, lora_draws_->keys_T, lora_layer_);
  }

  double lora_scale_ = 0;
  std::shared_ptr<const DropoutDraws> lora_draws_;
  uint32_t lora_layer_ = 0;
  bool lora_on_ = true;
};
TORCH_MODULE(Linear);

}  // namespace cohort::policy
