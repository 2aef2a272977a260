#include "policy/config/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cohort::policy {
namespace {

double YarnScale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double YarnAttentionFactor(const RopeConfig& rope) {
  if (rope.attention_factor.has_value()) return *rope.attention_factor;
  if (rope.mscale != 0 && rope.mscale_all_dim != 0) {
    return YarnScale(rope.factor, rope.mscale) / YarnScale(rope.factor, rope.mscale_all_dim);
  }
  return YarnScale(rope.factor, 1.0);
}

double LongRopeAttentionFactor(const RopeConfig& rope) {
  if (rope.attention_factor.has_value()) return *rope.attention_factor;
  if (rope.factor <= 1) return 1.0;
  return std::sqrt(1 + std::log(rope.factor) /
                           std::log(static_cast<double>(rope.original_max_positions)));
}

// The channel that turns `rotations` times within the original context.
double YarnChannel(const RopeConfig& rope, int64_t dim, double rotations) {
  const double context = static_cast<double>(rope.original_max_positions);
  return static_cast<double>(dim) * std::log(context / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(rope.base));
}

// 0 where a channel turns fast enough to be left alone, 1 where it is divided by the factor.
std::vector<float> YarnRamp(const RopeConfig& rope, int64_t dim) {
  double low = YarnChannel(rope, dim, rope.beta_fast);
  double high = YarnChannel(rope, dim, rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dim - 1));
  if (low == high) high += 0.001;
  std::vector<float> ramp;
  for (int64_t i = 0; i < dim / 2; ++i) {
    const float linear =
        (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
    ramp.push_back(std::clamp(linear, 0.0F, 1.0F));
  }
  return ramp;
}

float Llama3Frequency(const RopeConfig& rope, float frequency) {
  const auto context = static_cast<double>(rope.original_max_positions);
  const auto factor = static_cast<float>(rope.factor);
  const float wavelength = static_cast<float>(2 * std::numbers::pi) / frequency;
  if (wavelength < static_cast<float>(context / rope.high_freq_factor)) return frequency;
  if (wavelength > static_cast<float>(context / rope.low_freq_factor)) return frequency / factor;
  const float smooth =
      (static_cast<float>(context) / wavelength - static_cast<float>(rope.low_freq_factor)) /
      static_cast<float>(rope.high_freq_factor - rope.low_freq_factor);
  return (1 - smooth) * frequency / factor + smooth * frequency;
}

}  // namespace

RopeFrequencies ComputeRopeFrequencies(const RopeConfig& rope, int64_t rotary_dim) {
  RopeFrequencies out;
  std::vector<float> ramp;
  if (rope.kind == RopeKind::kYarn) {
    ramp = YarnRamp(rope, rotary_dim);
    out.attention_factor = YarnAttentionFactor(rope);
  }
  if (rope.kind == RopeKind::kLongRope) {
    out.attention_factor = LongRopeAttentionFactor(rope);
    out.long_beyond = rope.original_max_positions;
  }
  for (int64_t i = 0; i < rotary_dim / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rotary_dim);
    const auto period =
        static_cast<float>(std::pow(static_cast<double>(static_cast<float>(rope.base)), exponent));
    float frequency = 1.0F / period;
    if (rope.kind == RopeKind::kLinear) frequency /= static_cast<float>(rope.factor);
    if (rope.kind == RopeKind::kLlama3) frequency = Llama3Frequency(rope, frequency);
    if (rope.kind == RopeKind::kYarn) {
      const float divided = 1.0F / (static_cast<float>(rope.factor) * period);
      const float kept = 1 - ramp[static_cast<size_t>(i)];
      frequency = divided * (1 - kept) + frequency * kept;
    }
    if (rope.kind == RopeKind::kLongRope) {
      const auto at = static_cast<size_t>(i);
      frequency = 1.0F / (static_cast<float>(rope.short_factors[at]) * period);
      out.long_inverse.push_back(1.0F / (static_cast<float>(rope.long_factors[at]) * period));
    }
    out.inverse.push_back(frequency);
  }
  return out;
}

void FillRopeAngles(std::span<const float> inverse, double attention_factor, int64_t position,
                    float* cos, float* sin) {
  const auto factor = static_cast<float>(attention_factor);
  for (size_t i = 0; i < inverse.size(); ++i) {
    const float angle = static_cast<float>(position) * inverse[i];
    cos[i] = std::cos(angle) * factor;
    sin[i] = std::sin(angle) * factor;
  }
}

double AttentionScale(const AttentionConfig& attention, const RopeConfig& rope) {
  if (attention.scale > 0) return attention.scale;
  const double scale = 1.0 / std::sqrt(static_cast<double>(attention.query_dim()));
  if (!attention.latent() || rope.kind != RopeKind::kYarn || rope.mscale_all_dim == 0) return scale;
  const double mscale = YarnScale(rope.factor, rope.mscale_all_dim);
  return scale * mscale * mscale;
}

}  // namespace cohort::policy
