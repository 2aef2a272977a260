#include "policy/lora/site.h"

#include "base/durable_file.h"
#include "policy/weights/stored_tensors.h"

namespace cohort::policy {
namespace {

constexpr std::string_view kWeight = ".weight";

std::string LayerName(const StoredTensor& weight) {
  return weight.name.substr(0, weight.name.size() - kWeight.size());
}

// Every `step`-th name that a folder gives the experts' weights in `fused`, from `first` on.
std::vector<std::string> ExpertNames(const ModelConfig& config, const std::string& fused,
                                     const at::Tensor& weight, size_t first, size_t step) {
  const std::vector<StoredTensor> stored = LinearLayers(config, fused, weight);
  std::vector<std::string> names;
  for (size_t i = first; i < stored.size(); i += step) {
    names.push_back(LayerName(stored[i]));
  }
  return names;
}

void AddExperts(const ModelConfig& config, const std::string& module, ExpertsImpl* experts,
                std::vector<LoraSite>* sites) {
  using enum ExpertsImpl::Projection;
  const std::string gate_up = module + ".gate_up_proj", down = module + ".down_proj";
  // A folder has an expert's gate, then its up projection.
  sites->emplace_back(ExpertNames(config, gate_up, experts->gate_up_proj, 0, 2), experts, kGate);
  sites->emplace_back(ExpertNames(config, gate_up, experts->gate_up_proj, 1, 2), experts, kUp);
  sites->emplace_back(ExpertNames(config, down, experts->down_proj, 0, 1), experts, kDown);
}

}  // namespace

void LoraSite::Attach(int64_t rank, double scale) {
  linear_ != nullptr ? linear_->AddLora(rank, scale) : experts_->AddLora(projection_, rank, scale);
}

void LoraSite::DropInputs(const std::shared_ptr<const DropoutDraws>& draws) {
  const auto layer = static_cast<uint32_t>(base::Checksum(names_.front()));
  linear_ != nullptr ? linear_->DropLoraInputs(draws, layer)
                     : experts_->adapter(projection_)->DropLoraInputs(draws, layer);
}

bool LoraSite::attached() const {
  return linear_ != nullptr ? linear_->lora_A != nullptr : !experts_adapter().is_empty();
}

at::Tensor LoraSite::A(size_t i) const {
  return linear_ != nullptr ? linear_->lora_A->weight
                            : experts_adapter()->lora_A[static_cast<int64_t>(i)];
}

at::Tensor LoraSite::B(size_t i) const {
  return linear_ != nullptr ? linear_->lora_B->weight
                            : experts_adapter()->lora_B[static_cast<int64_t>(i)];
}

double LoraSite::scale() const {
  return linear_ != nullptr ? linear_->lora_scale() : experts_adapter()->scale;
}

std::vector<LoraSite> LoraSites(const TransformerImpl& policy) {
  std::vector<LoraSite> sites;
  for (const auto& item : policy.named_modules()) {
    const std::string& name = item.key();
    if (name.find(".lora_") != std::string::npos) continue;
    if (IsOfMtpLayer(policy.config(), name + std::string(kWeight))) continue;
    if (auto* linear = item.value()->as<LinearImpl>()) {
      const std::string weight = name + std::string(kWeight);
      sites.emplace_back(LayerName(LinearLayers(policy.config(), weight, linear->weight).front()),
                         linear);
    }
    if (auto* experts = item.value()->as<ExpertsImpl>()) {
      AddExperts(policy.config(), name, experts, &sites);
    }
  }
  return sites;
}

}  // namespace cohort::policy
