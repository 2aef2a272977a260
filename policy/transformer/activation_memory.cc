#include "policy/transformer/activation_memory.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "policy/config/linear_attention.h"
#include "policy/tensor/tensor_memory.h"

namespace cohort::policy {
namespace {

// Widths of the tensors that are kept, in numbers a token.
using Widths = std::vector<int64_t>;

void AddAttention(const ModelConfig& config, Widths* kept) {
  const AttentionConfig& a = config.attention;
  const int64_t q = a.num_heads * a.query_dim(), out = a.num_heads * a.value_dim();
  if (a.latent()) {
    const int64_t latent = a.kv_lora_rank;
    if (a.q_lora_rank > 0) kept->insert(kept->end(), 2, a.q_lora_rank);
    kept->insert(kept->end(), {latent + a.qk_rope_head_dim, latent, q, q, out, out});
    return;
  }
  const int64_t kv = a.num_kv_heads * a.head_dim;
  kept->insert(kept->end(), {q, kv, kv, out});
  if (a.gated_output) kept->insert(kept->end(), 3, out);  // gate, its sigmoid, the product
  if (a.qk_norm != QkNorm::kNone) kept->insert(kept->end(), {q, kv});
}

// The convolution's inputs and outputs, queries, keys and values of the rule, its outputs and
// residuals, the norm's, gates, silu of them, and the product.
void AddDeltaNet(const LinearAttentionConfig& linear, Widths* kept) {
  const int64_t keys = KeyWidth(linear), channels = ConvChannels(linear);
  kept->insert(kept->end(), {channels, channels, keys, keys});
  kept->insert(kept->end(), 7, ValueWidth(linear));
}

void AddFeedForward(const ModelConfig& config, int64_t layer, Widths* kept) {
  if (!config.IsMoeLayer(layer)) {  // gate, up, their product
    kept->insert(kept->end(), 3, config.ffn_width);
    return;
  }
  const MoeConfig& moe = config.moe;
  const int64_t routed = moe.expert_width * moe.experts_per_token;
  kept->insert(kept->end(), {2 * routed, routed});
  if (moe.shared_width > 0) kept->insert(kept->end(), 3, moe.shared_width);
  if (moe.shared_gate) kept->insert(kept->end(), {1, config.width});  // the gate, what it takes
  kept->insert(kept->end(), 4, moe.num_experts);  // logits, and what the selection makes of them
}

// Attention and feed-forward, what the norm before or after each takes and gives, and what that
// after each takes where there are both.
Widths LayerWidths(const ModelConfig& config, int64_t layer) {
  Widths kept(config.norm_placement == NormPlacement::kAround ? 6 : 4, config.width);
  config.linear.Has(layer) ? AddDeltaNet(config.linear, &kept) : AddAttention(config, &kept);
  AddFeedForward(config, layer, &kept);
  return kept;
}

// Gradients while the backward pass is in a layer: of the residual stream, and of the
// feed-forward's tensors, or of attention's where those are more than what is gone by then.
Widths GradientWidths(const ModelConfig& config, int64_t layer) {
  const auto sum = [](const Widths& widths) {
    return std::accumulate(widths.begin(), widths.end(), int64_t{0});
  };
  Widths ffn, attention;
  AddFeedForward(config, layer, &ffn);
  config.linear.Has(layer) ? AddDeltaNet(config.linear, &attention)
                           : AddAttention(config, &attention);
  Widths& most = sum(attention) > 2 * sum(ffn) ? attention : ffn;
  if (config.IsMoeLayer(layer)) {  // rows of the experts' inputs, outputs and their gradients
    ffn.insert(ffn.end(), 3, config.moe.experts_per_token * config.width);
  }
  most.push_back(config.width);
  return most;
}

double HeldBytes(const Widths& widths, int64_t tokens) {
  double bytes = 0;
  for (const int64_t width : widths) {
    bytes +=
        static_cast<double>(HeldTensorBytes(sizeof(float) * static_cast<size_t>(width * tokens)));
  }
  return bytes;
}

}  // namespace

int64_t KeptActivationsPerToken(const ModelConfig& config) {
  int64_t kept = 2 * config.width;  // the final norm
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const Widths layer = LayerWidths(config, i);
    kept = std::accumulate(layer.begin(), layer.end(), kept);
  }
  return kept;
}

double ActivationBytes(const ModelConfig& config, int64_t tokens, int64_t recomputed) {
  double inputs = 0, kept = 0, most_kept = HeldBytes({config.width, config.width}, tokens);
  double most_recomputed = 0;
  for (int64_t i = 0; i < config.num_layers + config.num_mtp_layers; ++i) {
    const double layer = HeldBytes(LayerWidths(config, i), tokens);
    const double worked = HeldBytes(GradientWidths(config, i), tokens);
    if (i < std::min(recomputed, config.num_layers)) {
      inputs += HeldBytes({config.width}, tokens);
      most_recomputed = std::max(most_recomputed, layer + worked);
    } else {
      kept += layer;
      most_kept = std::max(most_kept, worked);
    }
  }
  // The kept layers are gone when the backward pass comes to those that are computed again.
  return inputs + std::max(kept + most_kept, most_recomputed);
}

double LeastActivationBytes(const ModelConfig& config, int64_t tokens) {
  double least = ActivationBytes(config, tokens, 0);
  for (int64_t layers = 1; layers <= config.num_layers; ++layers) {
    least = std::min(least, ActivationBytes(config, tokens, layers));
  }
  return least;
}

std::optional<int64_t> FewestRecomputedLayers(const ModelConfig& config, int64_t tokens,
                                              double max_bytes) {
  for (int64_t layers = 0; layers <= config.num_layers; ++layers) {
    if (ActivationBytes(config, tokens, layers) <= max_bytes) return layers;
  }
  return std::nullopt;
}

int64_t MostTokensWithin(const ModelConfig& config, double max_bytes, int64_t wanted) {
  int64_t fits = 0, above = wanted + 1;
  while (above - fits > 1) {
    const int64_t middle = fits + (above - fits) / 2;
    const bool holds = LeastActivationBytes(config, middle) <= max_bytes;
    (holds ? fits : above) = middle;
  }
  return fits;
}

}  // namespace cohort::policy
