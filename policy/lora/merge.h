#pragma once

// Adapters by name, and added to the weights that they belong to.
//
// The adapter of a linear layer NAME is two tensors, `NAME.lora_A.weight` and `NAME.lora_B.weight`,
// where NAME is Hugging Face's: every routed expert has layers of its own, as
// `model.layers.1.mlp.experts.3.gate_proj` or, in Mixtral, `...block_sparse_moe.experts.3.w1`.

#include <string>
#include <string_view>

#include "policy/config/config.h"
#include "policy/weights/weight_source.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

constexpr std::string_view kLoraDown = ".lora_A.weight", kLoraUp = ".lora_B.weight";

// The layer that the tensor `name` of an adapter belongs to.
inline std::string AdaptedModule(const std::string& name) {
  return name.substr(0, name.rfind(".lora_"));
}

// W + scale B A, in fp32, for every adapter: tensors of `weights` that it touches are replaced, not
// written into. kUsage for an adapter that does not fit them.
void AddAdapters(const WeightMap& adapters, double scale, const ModelConfig& config,
                 WeightMap* weights);

// kUsage for adapters that are not pairs of matrices of one rank, or that fit no linear layer of
// the model; no weight is needed.
void CheckAdapters(const WeightMap& adapters, const ModelConfig& config);

// The same sums, bit for bit, one tensor or one expert at a time: for whoever repacks a policy of
// which the base and the adapters are at hand. Takes nothing away; `adapters` fit (CheckAdapters).
// A sum has their dtype: of a base in bf16 and fp32 adapters it is no number of bf16.
class AdaptedWeights final : public WeightSource {
 public:
  AdaptedWeights(WeightMap base, WeightMap adapters, double scale, ModelConfig config);

  at::Tensor Take(const std::string& name) override;
  at::Tensor TakeExpert(const std::string& name, ExpertIndex expert) override;
  WeightMap TakeAll() override;

 private:
  const WeightMap base_, adapters_;
  const double scale_;
  const ModelConfig config_;
  const at::ScalarType dtype_;  // of the adapters
};

}  // namespace cohort::policy
