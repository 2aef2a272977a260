#pragma once

// The routed experts of a mixture-of-experts layer, for the experts that gate.h picked. M tokens, D
// width, E experts, K experts per token, m expert width.

#include <cstdint>
#include <vector>

#include "kernels/cpu/gemm.h"

namespace cohort::kernels {

struct MoeArgs {
  const PackedMatrix* gate_up =
      nullptr;  // expert e: panels e * P .. of P = 2 * PadToPanel(m) / 16, gate and up in turn
  const PackedMatrix* down =
      nullptr;  // expert e: panels e * PadToPanel(D) / 16 ..; depth PadToPanel(m)
  GatedUnit unit = GatedUnit::kSwiGlu;
  // Biases in the order of the packed columns, or null: gate_up's [E, 2 PadToPanel(m)], 16 gates
  // and 16 ups in turn, before the unit; down's [E, PadToPanel(D)], weighted as the slot is. The
  // padding is zero.
  const float* gate_up_bias = nullptr;
  const float* down_bias = nullptr;
  int64_t num_experts = 0;
  int64_t experts_per_token = 0;
  const float* x = nullptr;  // [M, ldx]
  int64_t ldx = 0;
  int64_t rows = 0;                  // M
  int64_t width = 0;                 // D
  const int32_t* experts = nullptr;  // [M, K]
  const float* weights = nullptr;    // [M, K]
  const float* shared = nullptr;     // [M, ld_out], the shared expert's output, or null
  float* residual = nullptr;         // [M, ld_out]
  int64_t ld_out = 0;
};

// Kept between calls.
struct MoeScratch {
  std::vector<int32_t> order;    // slots (token * K + k) sorted by expert
  std::vector<int64_t> offsets;  // [E + 1] into order
  std::vector<float> gathered, gate_up, activated, down;
  std::vector<ProductPart> parts;
};

// residual += sum over k in slot order of weights[k] * expert_k(x), then + shared.
// std::invalid_argument for an expert outside 0..E-1 or packed shapes that do not fit.
void RoutedExperts(ThreadPool& pool, const Ops& ops, const MoeArgs& args, MoeScratch& scratch);

}  // namespace cohort::kernels
