#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace cohort::policy {

// kDynamic lowers the frequencies of sequences beyond max_positions only (transformers'
// _compute_dynamic_ntk_parameters), and no sequence goes there: within it is kDefault.
// kLongRope divides each frequency by a factor of its own (arXiv 2402.13753), by another one in
// sequences longer than original_max_positions.
enum class RopeKind { kDefault, kLinear, kDynamic, kLlama3, kYarn, kLongRope };

// Rotary positions (arXiv 2104.09864) and their scaling; policy/config/rope_frequencies.h computes
// them.
struct RopeConfig {
  RopeKind kind = RopeKind::kDefault;
  double base = 10000.0;
  // Pairs of channels that rotate together: (2i, 2i + 1) when interleaved, else (i, i + dim / 2).
  bool interleaved = false;

  // The part of a head's channels that rotates.
  double partial_rotary_factor = 1.0;
  double factor = 1.0;                 // linear, dynamic, llama3, yarn, longrope
  int64_t original_max_positions = 0;  // context before scaling
  double low_freq_factor = 1.0;        // llama3
  double high_freq_factor = 4.0;
  double beta_fast = 32.0;  // yarn, arXiv 2309.00071
  double beta_slow = 1.0;
  bool truncate = true;                    // round the ramp's ends to whole channels
  std::optional<double> attention_factor;  // yarn, longrope
  double mscale = 0.0;                     // 0: absent
  double mscale_all_dim = 0.0;
  std::vector<double> short_factors, long_factors;  // longrope: [rotary_dim / 2]
  bool operator==(const RopeConfig&) const = default;
};

}  // namespace cohort::policy
