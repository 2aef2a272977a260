#pragma once

// The places where a policy can have low-rank adapters (policy/lora/lora.h), under the names that
// Hugging Face gives linear layers: every routed expert has three of its own there, in memory they
// are one tensor.

#include <memory>
#include <string>
#include <vector>

#include "policy/transformer/transformer.h"

namespace cohort::policy {

// One linear layer, or one projection of a layer's routed experts, whose adapters come together.
// Holds the module's address: for use while the policy lives.
class LoraSite {
 public:
  LoraSite(std::string name, LinearImpl* linear) : names_{std::move(name)}, linear_(linear) {}
  LoraSite(std::vector<std::string> names, ExpertsImpl* experts, ExpertsImpl::Projection projection)
      : names_(std::move(names)), experts_(experts), projection_(projection) {}

  // "model.layers.0.self_attn.q_proj", or by expert "model.layers.1.mlp.experts.0.gate_proj", ...
  const std::vector<std::string>& names() const { return names_; }

  void Attach(int64_t rank, double scale);  // not initialised
  void DropInputs(const std::shared_ptr<const DropoutDraws>& draws);
  bool attached() const;
  // The live tensors of names()[i], A [rank, in] and B [out, rank], once they are attached.
  at::Tensor A(size_t i) const;
  at::Tensor B(size_t i) const;
  double scale() const;

 private:
  const ExpertAdapter& experts_adapter() const { return experts_->adapter(projection_); }

  std::vector<std::string> names_;
  LinearImpl* linear_ = nullptr;  // this one or the next
  ExpertsImpl* experts_ = nullptr;
  ExpertsImpl::Projection projection_ = {};
};

// Every site but those in layers of multi-token prediction and in the adapters themselves.
std::vector<LoraSite> LoraSites(const TransformerImpl& policy);

}  // namespace cohort::policy
