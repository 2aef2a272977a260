#include "policy/transformer/decoder_stack.h"

#include <torch/nn/modules/container/modulelist.h>

#include "base/error.h"
#include "policy/transformer/ops/backend.h"
#include "policy/transformer/ops/look_up_rows.h"
#include "policy/transformer/ops/numerics.h"
#include "policy/transformer/recompute.h"

namespace cohort::policy {
namespace {

// The rows of sequences longer than `limit`. Those that share a prefix are on one side of it.
at::Tensor LongRows(int64_t rows, const std::vector<Segment>& segments, int64_t limit) {
  const at::Tensor out = at::zeros({rows}, at::kBool);
  const at::Tensor shared = at::zeros({rows}, at::kBool);
  for (const Segment& segment : segments) {
    const bool is_long = segment.prefix_length + segment.length > limit;
    out.narrow(0, segment.first, segment.length).fill_(is_long);
  }
  for (const Segment& segment : segments) {
    if (segment.prefix_length == 0) continue;
    const bool is_long = segment.prefix_length + segment.length > limit;
    at::Tensor prefix = out.narrow(0, segment.prefix_first, segment.prefix_length);
    at::Tensor seen = shared.narrow(0, segment.prefix_first, segment.prefix_length);
    COHORT_CHECK(!seen[0].item<bool>() || prefix[0].item<bool>() == is_long,
                 "a prefix is shared by sequences on both sides of the model's original context");
    prefix.fill_(is_long);
    seen.fill_(true);
  }
  return out;
}

RopeAngles Angles(const at::Tensor& positions_T, const std::vector<Segment>& segments,
                  const RopeFrequencies& rope) {
  if (rope.long_beyond == 0) return RopeAnglesAt(positions_T, rope);
  const at::Tensor long_T = LongRows(positions_T.size(0), segments, rope.long_beyond);
  return RopeAnglesAt(positions_T, rope, long_T.to(positions_T.device()));
}

at::Tensor ForwardRecomputed(DecoderLayer layer, const at::Tensor& x_TD, const RopeAngles& rope,
                             const std::vector<Segment>& segments) {
  return Recomputed(
      [layer, rope, segments](const at::Tensor& x) mutable { return layer(x, rope, segments); },
      x_TD, layer->parameters());
}

}  // namespace

at::Tensor EmbeddingTableImpl::forward(const at::Tensor& ids_T, at::ScalarType dtype) {
  const at::Tensor rows_TD = LookUpRows(weight, ids_T, pad_id_, dtype);
  if (ProductNumerics() == kernels::Numerics::kFloat32 || BackendFor(rows_TD) != Backend::kOwnCpu) {
    return rows_TD;
  }
  const at::Tensor exact_TD = rows_TD.detach();
  return rows_TD + (exact_TD.to(at::kBFloat16).to(at::kFloat) - exact_TD);
}

DecoderStackImpl::DecoderStackImpl(const ModelConfig& config, const at::TensorOptions& options)
    : embedding_scale_(config.embedding_scale),
      logit_scale_(config.logit_scale),
      rope_(ComputeRopeFrequencies(config.rope, config.attention.rotary_dim())) {
  if (config.windowed_rope) {
    windowed_rope_ = ComputeRopeFrequencies(*config.windowed_rope, config.attention.rotary_dim());
  }
  embed_tokens_ = register_module(
      "embed_tokens", EmbeddingTable(config.vocab_size, config.width, config.pad_id, options));
  torch::nn::ModuleList list;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    layers_.push_back(DecoderLayer(config, layer, options));
    is_windowed_.push_back(config.attention.WindowOf(layer) > 0);
    list->push_back(layers_.back());
  }
  for (int64_t i = 0; i < config.num_mtp_layers; ++i) {
    mtp_layers_.push_back(MtpLayer(config, config.num_layers + i, options));
    list->push_back(mtp_layers_.back());
  }
  register_module("layers", list);
  norm_ = register_module("norm", RmsNorm(config.width, config, options));
}

at::Tensor DecoderStackImpl::forward(const at::Tensor& ids_T, const at::Tensor& positions_T,
                                     const std::vector<Segment>& segments) {
  const RopeAngles rope = Angles(positions_T, segments, rope_);
  const RopeAngles windowed =
      windowed_rope_ ? Angles(positions_T, segments, *windowed_rope_) : rope;
  at::Tensor hidden_TD = embed_tokens_(ids_T, dtype());
  if (embedding_scale_ != 1.0) hidden_TD = hidden_TD * embedding_scale_;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const RopeAngles& angles = is_windowed_[i] ? windowed : rope;
    const bool recomputed =
        at::GradMode::is_enabled() && static_cast<int64_t>(i) < recomputed_layers_;
    hidden_TD = recomputed ? ForwardRecomputed(layers_[i], hidden_TD, angles, segments)
                           : layers_[i](hidden_TD, angles, segments);
  }
  const at::Tensor normal_TD = norm_(hidden_TD);
  return logit_scale_ == 1.0 ? normal_TD : normal_TD * logit_scale_;
}

at::Tensor DecoderStackImpl::ForwardMtp(int64_t k, const at::Tensor& hidden_MD,
                                        const PackedTokens& next) {
  return mtp_layer(k)(embed_tokens_(next.ids_T, dtype()), hidden_MD,
                      Angles(next.positions_T, next.segments, rope_), next.segments);
}

std::vector<MixtureOfExperts> DecoderStackImpl::MoeLayers() {
  std::vector<MixtureOfExperts> out;
  const auto add = [&out](DecoderLayerImpl& layer) {
    if (!layer.moe().is_empty()) out.push_back(layer.moe());
  };
  for (DecoderLayer& layer : layers_) add(*layer);
  for (MtpLayer& layer : mtp_layers_) add(*layer);
  return out;
}

}  // namespace cohort::policy
