#include "policy/transformer/transformer.h"

#include "base/error.h"
#include "policy/weights/fp8_blocks.h"

namespace cohort::policy {
namespace {

// Of a parameter of policy/weights/weights.h: an operand of products, or the embedding. Gates, as
// the router is one, are not rounded.
bool IsMatrix(const std::string& name, const at::Tensor& tensor) {
  if (tensor.dim() < 2 || name.ends_with("_bias")) return false;
  return !name.ends_with(".mlp.gate.weight") && !name.ends_with(".shared_expert_gate.weight") &&
         !name.ends_with(".conv1d.weight");
}

}  // namespace

TransformerImpl::TransformerImpl(const ModelConfig& config, const at::TensorOptions& options)
    : config_(config) {
  model_ = register_module("model", DecoderStack(config, options));
  if (!config.tie_embeddings) {
    lm_head_ = register_module("lm_head", Linear(config.width, config.vocab_size, options));
  }
}

at::Tensor TransformerImpl::forward(const PackedTokens& tokens) {
  return model_(tokens.ids_T, tokens.positions_T, tokens.segments);
}

TransformerImpl::MtpStates TransformerImpl::ForwardMtp(int64_t k, const at::Tensor& hidden_MD,
                                                       const PackedTokens& next) {
  const at::Tensor deeper_MD = model_->ForwardMtp(k, hidden_MD, next);
  return {deeper_MD, model_->mtp_layer(k)->PredictFrom(deeper_MD)};
}

LogitHead TransformerImpl::head() const {
  return {lm_head_.is_empty() ? model_->embedding() : lm_head_->MergedWeight(),
          config_.logit_soft_cap};
}

void TransformerImpl::LoadWeights(const WeightMap& weights) {
  CheckWeights(config_, weights, "the weights given to the policy");
  const at::NoGradGuard no_grad;
  for (const at::Tensor& own : parameters()) {
    COHORT_CHECK(own.scalar_type() != at::kFloat8_e4m3fn,
                 "a frozen base in e4m3 is not written to");
  }
  for (auto& [name, own] : Weights()) own.copy_(weights.at(name));
}

void TransformerImpl::AdoptWeights(WeightMap weights) {
  CheckWeights(config_, weights, "the weights given to the policy");
  const auto adopt = [](at::Tensor own, const at::Tensor& tensor) {
    COHORT_CHECK(tensor.is_floating_point() && tensor.is_contiguous(),
                 "adopted weights are floating-point and contiguous");
    own.set_data(tensor);
  };
  for (const auto& item : named_parameters()) adopt(item.value(), weights.at(item.key()));
  for (const auto& item : named_buffers()) {
    adopt(item.value(), weights.at(item.key()).to(at::kFloat));
  }
}

void TransformerImpl::KeepMatricesInBf16() {
  const at::NoGradGuard no_grad;
  for (const auto& item : named_parameters()) {
    at::Tensor parameter = item.value();
    if (IsMatrix(item.key(), parameter)) parameter.set_data(parameter.to(at::kBFloat16));
  }
}

WeightMap TransformerImpl::Weights() const {
  WeightMap out;
  for (const auto& item : named_parameters()) {
    if (item.key().find(".lora_") == std::string::npos) {
      out.emplace(item.key(), item.value().detach());
    }
  }
  for (const auto& item : named_buffers()) out.emplace(item.key(), item.value().detach());
  const auto decode = [&](const std::string& name, const at::Tensor& scale_inv) {
    if (!scale_inv.defined()) return;
    at::Tensor& tensor = out.at(name);
    const at::Tensor decoded = at::empty(tensor.sizes(), at::kFloat);
    DequantizeFp8({tensor, scale_inv}, decoded);
    tensor = decoded;
  };
  for (const auto& item : named_modules("", /*include_self=*/false)) {
    if (const auto* linear = item.value()->as<LinearImpl>()) {
      decode(item.key() + ".weight", linear->weight_scale_inv);
    }
    if (const auto* experts = item.value()->as<ExpertsImpl>()) {
      decode(item.key() + ".gate_up_proj", experts->gate_up_proj_scale_inv);
      decode(item.key() + ".down_proj", experts->down_proj_scale_inv);
    }
  }
  return out;
}

at::Tensor TransformerImpl::TakeExpertLoad() {
  std::vector<at::Tensor> loads;
  for (MixtureOfExperts& layer : model_->MoeLayers()) loads.push_back(layer->TakeLoad());
  return loads.empty() ? at::Tensor() : at::stack(loads);
}

void TransformerImpl::SetExpertLoad(const at::Tensor& load_LE) {
  std::vector<MixtureOfExperts> layers = model_->MoeLayers();
  COHORT_CHECK(load_LE.defined() != layers.empty(), "a dense model alone has no expert load");
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    layers[layer]->SetLoad(load_LE[static_cast<int64_t>(layer)]);
  }
}

void TransformerImpl::CountExpertLoadOf(const at::Tensor& rows) {
  std::vector<MixtureOfExperts> layers = model_->MoeLayers();
  const auto of_mtp = static_cast<size_t>(config_.num_mtp_layers);  // the last ones
  for (size_t i = 0; i + of_mtp < layers.size(); ++i) layers[i]->CountLoadOf(rows);
}

void TransformerImpl::ReplayRouting(const at::Tensor& experts_TLK) {
  std::vector<MixtureOfExperts> layers = model_->MoeLayers();
  const int64_t replayed = std::ssize(layers) - config_.num_mtp_layers;
  COHORT_CHECK(!experts_TLK.defined() || experts_TLK.size(1) == replayed,
               "replayed routing has one entry a MoE layer");
  for (int64_t i = 0; i < replayed; ++i) {
    layers[static_cast<size_t>(i)]->ReplayRouting(
        experts_TLK.defined() ? experts_TLK.select(1, i).to(at::kLong) : at::Tensor());
  }
}

GateImpl::GivenTokens TransformerImpl::TakeReplayedTokens() {
  GateImpl::GivenTokens sum;
  for (MixtureOfExperts& layer : model_->MoeLayers()) {
    const GateImpl::GivenTokens own = layer->gate()->TakeGivenTokens();
    sum.count += own.count;
    sum.differing += own.differing;
  }
  return sum;
}

void TransformerImpl::UpdateSelectionBias(const at::Tensor& load_LE, double rate) {
  std::vector<MixtureOfExperts> layers = model_->MoeLayers();
  COHORT_CHECK(load_LE.dim() == 2 && load_LE.size(0) == static_cast<int64_t>(layers.size()) &&
                   load_LE.size(1) == config_.moe.num_experts,
               "the expert load has one row per MoE layer and one column per expert");
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    layers[layer]->UpdateSelectionBias(load_LE[static_cast<int64_t>(layer)], rate);
  }
}

}  // namespace cohort::policy
