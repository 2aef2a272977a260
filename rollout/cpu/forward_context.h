#pragma once

// The inputs of a forward pass, and two loops that its parts share.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/cpu/ops.h"
#include "kernels/cpu/thread_pool.h"
#include "policy/config/config.h"
#include "rollout/cpu/decoder_weights.h"
#include "rollout/cpu/kv_cache.h"
#include "rollout/cpu/model_ropes.h"
#include "rollout/cpu/recurrent_states.h"

namespace cohort::rollout {

// All outlive the pass. One Forward may run on each thread at the same time, provided that no two
// write the same sequence and the ropes cover the positions.
struct ForwardContext {
  const policy::ModelConfig& config;
  const DecoderWeights& weights;
  const ModelRopes& ropes;
  KvCache& cache;
  RecurrentStates& states;
  const kernels::Ops& ops;
};

// Activations keep their memory between steps.
inline void Grow(std::vector<float>& buffer, int64_t floats) {
  if (static_cast<int64_t>(buffer.size()) < floats) buffer.resize(static_cast<size_t>(floats));
}

// body(row) for the cheap operations along a row, some rows a task.
template <class Body>
void ForRows(kernels::ThreadPool& pool, int64_t rows, Body&& body) {
  constexpr int64_t kRowsPerTask = 8;
  pool.ParallelFor((rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task, int) {
    const int64_t end = std::min((task + 1) * kRowsPerTask, rows);
    for (int64_t row = task * kRowsPerTask; row < end; ++row) body(row);
  });
}

}  // namespace cohort::rollout
