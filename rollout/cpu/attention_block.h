#pragma once

// The attention of a layer over rows of tokens: projections, rotary positions, the KV cache.

#include <cstdint>
#include <vector>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/thread_pool.h"
#include "rollout/cpu/attention_weights.h"
#include "rollout/cpu/forward_context.h"

namespace cohort::rollout {

struct RowPlace {
  int64_t position;      // in its sequence
  bool beyond_boundary;  // as SequenceRows says
};

// The places of a step's rows in their sequences. M rows.
struct AttentionRows {
  std::vector<RowPlace> places;           // [M]
  std::vector<kernels::AttentionRow> at;  // [M], the row itself included
  std::vector<kernels::AttentionBundle> bundles;

  int64_t count() const { return static_cast<int64_t>(places.size()); }
};

// Keeps its activations' memory between calls; shapes: M rows, D width, and those of
// attention_weights.h.
class AttentionBlock {
 public:
  AttentionBlock(const ForwardContext& context, kernels::ThreadPool& pool);

  // o_proj(attention(x)), without its bias, stored in or added to `out`.
  struct Output {
    float* out;  // [M, ld], as x
    kernels::TileMode mode;
  };
  // The rows' keys and values go into the cache of layer `index`.
  void Run(const AttentionWeights& weights, int64_t index, const AttentionRows& rows,
           const float* x, const Output& output);

 private:
  // Query heads as the kernel takes them: row i, head h at data + i * ld + h * stride.
  struct Queries {
    const float* data;
    int64_t ld, stride;
  };

  Queries GroupedQueries(const AttentionWeights& weights, int64_t index, const AttentionRows& rows);
  // Queries or keys of a row, all heads.
  struct Heads {
    float* data;
    int64_t width;
    const std::vector<float>& norm;
  };
  void PrepareHeads(const Heads& heads, int64_t index, const RowPlace& place);

  void GateOutput(int64_t rows);

  bool absorbed() const { return context_.weights.latent_form() == LatentForm::kAbsorbed; }
  Queries AbsorbedQueries(const AttentionWeights& weights, int64_t index,
                          const AttentionRows& rows);
  Queries UnabsorbedQueries(const AttentionWeights& weights, int64_t index,
                            const AttentionRows& rows);
  // Normalises and rotates what the first product gave of each row's query and key; in the absorbed
  // form the key is whole and goes into the cache.
  void CompressRows(const AttentionWeights& weights, int64_t index, const AttentionRows& rows);
  struct ExpandedQueries {
    float* data;  // [M, ld], a row begins with [H, n + p]
    int64_t ld;
  };
  // Applies q_b_proj, if there is one.
  ExpandedQueries ExpandQueries(const AttentionWeights& weights, int64_t rows);
  // Rotates the last p numbers of each head, in place.
  void RotateQueries(const ExpandedQueries& queries, const AttentionRows& rows);
  void ExpandValues(const AttentionWeights& weights, int64_t rows);

  void Store(int64_t index, const AttentionRows& rows, int64_t row, const float* k, const float* v);

  ForwardContext context_;
  const policy::AttentionConfig& shape_;
  kernels::ThreadPool& pool_;
  AttentionColumns columns_;
  int64_t ld_;           // of rows of width D
  int64_t ld_attended_;  // H * ValueStride
  float scale_;

  std::vector<float> input_, attended_;
  std::vector<float> queries_, absorbed_, gathered_;  // latent
  std::vector<float> expanded_, keys_, values_;       // of expanded latent attention
  kernels::AttentionScratch scratch_;
};

}  // namespace cohort::rollout
