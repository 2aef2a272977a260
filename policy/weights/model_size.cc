#include "policy/weights/model_size.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "policy/config/linear_attention.h"
#include "policy/config/quantization.h"
#include "policy/weights/fp8_blocks.h"
#include "policy/weights/stored_tensors.h"
#include "policy/weights/weights.h"

namespace cohort::policy {
namespace {

int64_t Product(c10::IntArrayRef shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

// Of the heads' matrices in one gated delta net.
int64_t MatrixValues(const LinearAttentionConfig& linear) {
  return ValueWidth(linear) * linear.key_dim;
}

bool IsRoutedExpert(const TensorSpec& spec) {
  return spec.name.find(".experts.") != std::string::npos;
}

int64_t StoredBytesOf(const ModelConfig& config, const TensorSpec& spec, Dtype dtype) {
  const Dtype stored = StoredDtype(spec.name, spec.shape.size(), dtype);
  int64_t bytes = Product(spec.shape) * BytesPerElement(stored);
  if (stored != Dtype::kFloat8E4m3) return bytes;
  const at::Tensor shape = at::empty(spec.shape, at::TensorOptions().device(at::kMeta));
  for (const StoredTensor& part : StoredTensors(config, spec.name, shape)) {
    bytes += Product(Fp8ScaleShape(part.part.sizes())) * static_cast<int64_t>(sizeof(float));
  }
  return bytes;
}

}  // namespace

ModelSize MeasureModel(const ModelConfig& config) {
  ModelSize size;
  for (const TensorSpec& spec : ExpectedTensors(WithoutMtpLayers(config))) {
    const int64_t count = Product(spec.shape);
    size.total += count;
    if (IsRoutedExpert(spec)) size.routed_experts += count;
  }
  size.embedding = config.vocab_size * config.width;
  size.active = size.total;
  if (config.moe.num_experts > 0) {
    size.active -= size.routed_experts / config.moe.num_experts *
                   (config.moe.num_experts - config.moe.experts_per_token);
  }
  size.mtp = CountParameters(config) - size.total;
  return size;
}

StoredSize MeasureFolder(const ModelConfig& config, Dtype dtype) {
  if (dtype == Dtype::kFloat8E4m3) CheckFp8Form(config);
  StoredSize size;
  const ModelConfig decoded = WithoutMtpLayers(config);
  for (const TensorSpec& spec : ExpectedTensors(decoded)) {
    const int64_t bytes = StoredBytesOf(decoded, spec, dtype);
    size.total += bytes;
    if (IsRoutedExpert(spec)) size.routed_experts += bytes;
    if (spec.name == "model.embed_tokens.weight") size.embedding = bytes;
  }
  return size;
}

int64_t CachedTokens(const ModelConfig& config, int64_t tokens) {
  int64_t kept = 0;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    if (config.linear.Has(layer)) continue;
    const int64_t window = config.attention.WindowOf(layer);
    kept += window == 0 ? tokens : std::min(tokens, window);
  }
  return kept;
}

int64_t CachedValues(const ModelConfig& config, int64_t tokens) {
  const AttentionConfig& attention = config.attention;
  const int64_t layer = attention.latent() ? attention.kv_lora_rank + attention.qk_rope_head_dim
                                           : 2 * attention.num_kv_heads * attention.head_dim;
  return CachedTokens(config, tokens) * layer;
}

int64_t RecurrentValues(const ModelConfig& config) {
  const LinearAttentionConfig& linear = config.linear;
  const int64_t rows = (linear.conv_width - 1) * ConvChannels(linear);
  return std::ssize(linear.layers) * (MatrixValues(linear) + rows);
}

int64_t RecurrentFlopsPerToken(const ModelConfig& config) {
  return std::ssize(config.linear.layers) * 6 * MatrixValues(config.linear);
}

}  // namespace cohort::policy
