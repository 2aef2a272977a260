#include "rl/plan/serving.h"

#include <algorithm>
#include <cmath>

#include "policy/weights/model_size.h"

namespace cohort::rl {
namespace {

constexpr double kFilled = 0.9;
constexpr double kCacheValueBytes = 2;  // bfloat16
constexpr double kStateValueBytes = 4;  // a recurrent state stays fp32

double Rate(const Machine& machine, policy::Dtype dtype) {
  if (dtype == policy::Dtype::kFloat8E4m3) return machine.fp8_flops;
  return dtype == policy::Dtype::kFloat32 ? machine.fp32_flops : machine.bf16_flops;
}

// Operations of the score and the weighted sum for one query and one cached position, in one layer.
double AttentionFlops(const policy::AttentionConfig& attention) {
  const int64_t widths = attention.latent()
                             ? 2 * attention.kv_lora_rank + attention.qk_rope_head_dim
                             : 2 * attention.head_dim;
  return static_cast<double>(2 * attention.num_heads * widths);
}

}  // namespace

DecodeRoofline PlanDecoding(const policy::ModelConfig& config, const Machine& machine,
                            const DecodeLoad& load) {
  const policy::ModelSize size = policy::MeasureModel(config);
  const policy::StoredSize stored = policy::MeasureFolder(config, load.dtype);
  const auto batch = static_cast<double>(load.batch);
  DecodeRoofline out;
  double touched = 0;  // share of the routed experts
  if (config.moe.num_experts > 0) {
    const auto experts = static_cast<double>(config.moe.num_experts);
    touched = 1 - std::pow(1 - static_cast<double>(config.moe.experts_per_token) / experts, batch);
    out.experts_read = experts * touched;
  }
  // A table that is not the head too is only looked up.
  const int64_t looked_up = config.tie_embeddings ? 0 : stored.embedding;
  out.weight_bytes = static_cast<double>(stored.total - stored.routed_experts - looked_up) +
                     touched * static_cast<double>(stored.routed_experts);
  out.cache_bytes =
      batch * kCacheValueBytes * static_cast<double>(policy::CachedValues(config, load.context)) +
      batch * kStateValueBytes * static_cast<double>(policy::RecurrentValues(config));
  out.flops = batch * 2 * static_cast<double>(size.multiplied(config.tie_embeddings)) +
              batch * AttentionFlops(config.attention) *
                  static_cast<double>(policy::CachedTokens(config, load.context)) +
              batch * static_cast<double>(policy::RecurrentFlopsPerToken(config));
  out.devices = load.devices;
  if (out.devices == 0) {
    const double held = static_cast<double>(stored.total) + out.cache_bytes;
    out.devices = std::max<int64_t>(
        1, static_cast<int64_t>(std::ceil(held / (kFilled * machine.memory_bytes))));
  }
  const auto devices = static_cast<double>(out.devices);
  out.bandwidth_s = (out.weight_bytes + out.cache_bytes) / (devices * machine.read_bytes_per_s);
  out.arithmetic_s = out.flops / (devices * Rate(machine, load.dtype));
  out.tokens_per_s = batch / std::max(out.bandwidth_s, out.arithmetic_s);
  return out;
}

double DollarsPerMillionTokens(const DecodeRoofline& roofline, const Machine& machine) {
  return static_cast<double>(roofline.devices) * machine.dollars_per_hour /
         (roofline.tokens_per_s * 3600) * 1e6;
}

}  // namespace cohort::rl
