#include "rollout/cpu/decoder_weights.h"

#include <ATen/core/Tensor.h>
#include <malloc.h>

#include <algorithm>
#include <new>
#include <string>

#include "base/error.h"
#include "rollout/cpu/weight_packing.h"

namespace cohort::rollout {

namespace {

using kernels::kPanelColumns;
using kernels::PackedMatrix;
using kernels::PadToPanel;
using kernels::Storage;

FfnWeights AllocateFfn(int64_t width, int64_t ffn_width, int64_t copies, Storage storage) {
  const int64_t padded = PadToPanel(ffn_width);
  return {PackedMatrix(copies * 2 * padded, width, storage),
          PackedMatrix(copies * PadToPanel(width), padded, storage)};
}

void LoadDenseFfn(kernels::ThreadPool& pool, policy::WeightSource& weights,
                  const std::string& prefix, const policy::ModelConfig& config, int64_t ffn_width,
                  FfnWeights* ffn) {
  const int64_t width = config.width;
  const auto take = [&](const char* name, int64_t rows, int64_t depth) {
    return TakeTensor(weights, prefix + name + ".weight", {rows, depth});
  };
  if (config.fused_projections) {
    const at::Tensor both = take("gate_up_proj", 2 * ffn_width, width);
    const float* gate = both.data_ptr<float>();
    PackRows(pool, {gate, ffn_width, width}, {0, 2}, &ffn->gate_up);
    PackRows(pool, {gate + ffn_width * width, ffn_width, width}, {1, 2}, &ffn->gate_up);
  } else {
    PackTensor(pool, take("gate_proj", ffn_width, width), {0, 2}, &ffn->gate_up);
    PackTensor(pool, take("up_proj", ffn_width, width), {1, 2}, &ffn->gate_up);
  }
  PackTensor(pool, take("down_proj", width, ffn_width), {}, &ffn->down);
}

void LoadExperts(kernels::ThreadPool& pool, policy::WeightSource& weights,
                 const std::string& prefix, int64_t width, const policy::MoeConfig& moe,
                 FfnWeights* experts) {
  const int64_t m = moe.expert_width;
  const int64_t panels = PadToPanel(m) / kPanelColumns;
  for (int64_t e = 0; e < moe.num_experts; ++e) {
    const auto take = [&](const char* name, int64_t rows, int64_t depth) {
      return TakeExpert(weights, prefix + name, {e, moe.num_experts}, {rows, depth});
    };
    const at::Tensor gate_up = take("gate_up_proj", 2 * m, width);
    const float* gate = gate_up.data_ptr<float>();
    PackRows(pool, {gate, m, width}, {e * 2 * panels, 2}, &experts->gate_up);
    PackRows(pool, {gate + m * width, m, width}, {e * 2 * panels + 1, 2}, &experts->gate_up);
    PackTensor(pool, take("down_proj", width, m), {e * PadToPanel(width) / kPanelColumns, 1},
               &experts->down);
  }
}

// `bias` [experts, PadToPanel(rows)], from one row of `rows` for each expert; the padding is zero.
std::vector<float> PadRows(const at::Tensor& rows_ER) {
  const int64_t rows = rows_ER.size(1), padded = PadToPanel(rows);
  std::vector<float> out(static_cast<size_t>(rows_ER.size(0) * padded));
  for (int64_t e = 0; e < rows_ER.size(0); ++e) {
    const float* row = rows_ER.data_ptr<float>() + e * rows;
    std::copy(row, row + rows, out.begin() + e * padded);
  }
  return out;
}

void LoadExpertBiases(policy::WeightSource& weights, const std::string& prefix,
                      const policy::ModelConfig& config, LayerWeights* layer) {
  const int64_t experts = config.moe.num_experts, m = config.moe.expert_width;
  const at::Tensor down = TakeTensor(weights, prefix + "down_proj_bias", {experts, config.width});
  layer->down_bias = PadRows(down);
  const at::Tensor both = TakeTensor(weights, prefix + "gate_up_proj_bias", {experts, 2 * m});
  const float* from = both.data_ptr<float>();
  layer->gate_up_bias.assign(static_cast<size_t>(experts * 2 * PadToPanel(m)), 0.0F);
  float* to = layer->gate_up_bias.data();
  for (int64_t e = 0; e < experts; ++e, from += 2 * m, to += 2 * PadToPanel(m)) {
    for (int64_t i = 0; i < m; ++i) {  // a panel of gates and one of ups in turn
      const int64_t place = i / kPanelColumns * 2 * kPanelColumns + i % kPanelColumns;
      to[place] = from[i];
      to[place + kPanelColumns] = from[m + i];
    }
  }
}

// What says where a token goes, and how much of the shared expert it takes.
void LoadGates(kernels::ThreadPool& pool, policy::WeightSource& weights, const std::string& prefix,
               const policy::ModelConfig& config, LayerWeights* layer) {
  const policy::MoeConfig& moe = config.moe;
  const int64_t experts = moe.num_experts;
  PackTensor(pool, TakeTensor(weights, prefix + "gate.weight", {experts, config.width}), {},
             &layer->router);
  if (moe.router_bias) {
    layer->router_bias = TakeVector(weights, prefix + "gate.bias", experts);
    layer->router_bias.resize(static_cast<size_t>(PadToPanel(experts)), 0.0F);
  }
  if (moe.selection_bias) {
    layer->selection_bias = TakeVector(weights, prefix + "gate.e_score_correction_bias", experts);
  }
  if (moe.shared_gate) {
    PackTensor(pool, TakeTensor(weights, prefix + "shared_expert_gate.weight", {1, config.width}),
               {}, &layer->shared_gate);
  }
}

}  // namespace

int64_t DecoderWeightBytes(const policy::ModelConfig& config, Storage storage, LatentForm form) {
  const policy::MoeConfig& moe = config.moe;
  const auto ffn = [&](int64_t width) { return 3 * config.width * PadToPanel(width); };
  const int64_t biases =
      moe.expert_bias ? 2 * PadToPanel(moe.expert_width) + PadToPanel(config.width) : 0;
  int64_t values = PadToPanel(config.vocab_size) * config.width * (config.tie_embeddings ? 1 : 2);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    values +=
        config.linear.Has(layer) ? DeltaNetWeightCount(config) : AttentionWeightCount(config, form);
    values += config.IsMoeLayer(layer)
                  ? moe.num_experts * (ffn(moe.expert_width) + config.width + biases) +
                        ffn(moe.shared_width)
                  : ffn(config.ffn_width);
  }
  return values * (storage == Storage::kFloat32 ? 4 : 2);
}

DecoderWeights::DecoderWeights(const policy::ModelConfig& config, Storage storage, LatentForm form)
    : config_(config),
      storage_(storage),
      form_(form),
      layers_(static_cast<size_t>(config.num_layers)) {
  const policy::MoeConfig& moe = config.moe;
  try {
    head_ = PackedMatrix(config.vocab_size, config.width, storage);
    if (!config.tie_embeddings) embedding_ = PackedMatrix(config.vocab_size, config.width, storage);
    for (size_t i = 0; i < layers_.size(); ++i) {
      LayerWeights& layer = layers_[i];
      if (config.linear.Has(static_cast<int64_t>(i))) {
        layer.delta_net = AllocateDeltaNet(config, storage);
      } else {
        layer.attention = AllocateAttention(config, storage, form);
      }
      if (!config.IsMoeLayer(static_cast<int64_t>(i))) {
        layer.ffn = AllocateFfn(config.width, config.ffn_width, 1, storage);
        continue;
      }
      layer.router = PackedMatrix(moe.num_experts, config.width, Storage::kFloat32);
      if (moe.shared_gate) layer.shared_gate = PackedMatrix(1, config.width, Storage::kFloat32);
      layer.experts = AllocateFfn(config.width, moe.expert_width, moe.num_experts, storage);
      if (moe.shared_width > 0) {
        layer.ffn = AllocateFfn(config.width, moe.shared_width, 1, storage);
      }
    }
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kEnvironment,
                "no memory for the decoder's weights (" +
                    std::to_string(DecoderWeightBytes(config, storage, form) >> 20) + " MiB)",
                "set rollout.dtype=bfloat16, or use a smaller model");
  }
}

void DecoderWeights::Load(policy::WeightSource& weights, kernels::ThreadPool& pool) {
  const bool swapped = !final_norm_.empty();  // then what is let go are views of others' memory
  const auto take = [&](const char* name) {
    return TakeTensor(weights, name, {config_.vocab_size, config_.width});
  };
  PackTensor(pool, take("model.embed_tokens.weight"), {},
             config_.tie_embeddings ? &head_ : &embedding_);
  if (!config_.tie_embeddings) PackTensor(pool, take("lm_head.weight"), {}, &head_);
  final_norm_ = TakeNorm(weights, "model.norm.weight", config_.width, config_.norm_adds_one);
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    LoadLayer(weights, layer, pool);
    if (!swapped) malloc_trim(0);  // what was let go in the middle of the heap would stay resident
  }
}

void DecoderWeights::LoadLayer(policy::WeightSource& weights, int64_t index,
                               kernels::ThreadPool& pool) {
  LayerWeights& layer = layers_[static_cast<size_t>(index)];
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const int64_t width = config_.width;
  const policy::LayerNormNames names = policy::NormNames(config_.norm_placement);
  const auto take_norm = [&](const std::string& name) {
    return name.empty()
               ? std::vector<float>()
               : TakeNorm(weights, prefix + name + ".weight", width, config_.norm_adds_one);
  };
  layer.attention_in = take_norm(names.attention_in);
  layer.attention_out = take_norm(names.attention_out);
  layer.ffn_in = take_norm(names.ffn_in);
  layer.ffn_out = take_norm(names.ffn_out);
  if (config_.linear.Has(index)) {
    LoadDeltaNet(pool, config_, weights, prefix + "linear_attn.", &layer.delta_net);
  } else {
    LoadAttention(pool, config_, weights, prefix + "self_attn.", &layer.attention);
  }
  if (!config_.IsMoeLayer(index)) {
    return LoadDenseFfn(pool, weights, prefix + "mlp.", config_, config_.ffn_width, &layer.ffn);
  }
  const policy::MoeConfig& moe = config_.moe;
  LoadGates(pool, weights, prefix + "mlp.", config_, &layer);
  if (moe.expert_bias) LoadExpertBiases(weights, prefix + "mlp.experts.", config_, &layer);
  LoadExperts(pool, weights, prefix + "mlp.experts.", width, moe, &layer.experts);
  if (moe.shared_width > 0) {
    LoadDenseFfn(pool, weights, prefix + "mlp.shared_experts.", config_, moe.shared_width,
                 &layer.ffn);
  }
}

int64_t DecoderWeights::bytes() const { return DecoderWeightBytes(config_, storage_, form_); }

}  // namespace cohort::rollout
