#include "rollout/cpu/attention_block.h"

#include <algorithm>
#include <bit>

namespace cohort::rollout {

using kernels::kBlockTokens;
using kernels::PadToPanel;

namespace {

// To bf16 and back.
void RoundRow(const kernels::Ops& ops, int64_t n, float* x) {
  constexpr int64_t kPart = 64;
  uint16_t halves[kPart];
  for (int64_t first = 0; first < n; first += kPart) {
    const int64_t count = std::min(kPart, n - first);
    ops.round_bf16(x + first, count, halves);
    for (int64_t i = 0; i < count; ++i) {
      x[first + i] = std::bit_cast<float>(static_cast<uint32_t>(halves[i]) << 16);
    }
  }
}

}  // namespace

AttentionBlock::AttentionBlock(const ForwardContext& context, kernels::ThreadPool& pool)
    : context_(context),
      shape_(context.config.attention),
      pool_(pool),
      columns_(shape_),
      ld_(PadToPanel(context.config.width)),
      ld_attended_(shape_.num_heads * ValueStride(shape_, context.weights.latent_form())),
      scale_(static_cast<float>(policy::AttentionScale(shape_, context.config.rope))) {}

void AttentionBlock::Run(const AttentionWeights& weights, int64_t index, const AttentionRows& rows,
                         const float* x, const Output& output) {
  const int64_t count = rows.count();
  Grow(input_, count * columns_.total());
  Grow(attended_, count * ld_attended_);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &weights.input,
                     .a = x,
                     .lda = ld_,
                     .rows = count,
                     .c = input_.data(),
                     .ldc = columns_.total()});
  const bool absorbs = shape_.latent() && absorbed();
  const Queries queries = absorbs           ? AbsorbedQueries(weights, index, rows)
                          : shape_.latent() ? UnabsorbedQueries(weights, index, rows)
                                            : GroupedQueries(weights, index, rows);
  const int64_t ld_out = shape_.num_heads * context_.cache.layout().value_dim;
  if (absorbs) Grow(gathered_, count * ld_out);
  kernels::Attention(pool_, context_.ops,
                     {.layout = context_.cache.layout(),
                      .cache = context_.cache.Block(index, 0),
                      .block_stride = context_.cache.block_stride(),
                      .num_heads = shape_.num_heads,
                      .scale = scale_,
                      .soft_cap = static_cast<float>(shape_.soft_cap),
                      .sinks = weights.sinks.empty() ? nullptr : weights.sinks.data(),
                      .window = shape_.WindowOf(index),
                      .q = queries.data,
                      .ldq = queries.ld,
                      .q_stride = queries.stride,
                      .out = absorbs ? gathered_.data() : attended_.data(),
                      .ldo = ld_out,
                      .rows = &rows.at,
                      .bundles = &rows.bundles},
                     scratch_);
  if (absorbs) ExpandValues(weights, count);
  if (shape_.gated_output) GateOutput(count);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &weights.output,
                     .a = attended_.data(),
                     .lda = ld_attended_,
                     .rows = count,
                     .c = output.out,
                     .ldc = ld_,
                     .mode = output.mode});
}

void AttentionBlock::Store(int64_t index, const AttentionRows& rows, int64_t row, const float* k,
                           const float* v) {
  const auto at = static_cast<size_t>(row);
  const int64_t position = rows.places[at].position;
  const int32_t block = rows.at[at].blocks[position / kBlockTokens];
  kernels::WriteKv(context_.cache.layout(), context_.cache.Block(index, block),
                   position % kBlockTokens, k, v);
}

AttentionBlock::Queries AttentionBlock::GroupedQueries(const AttentionWeights& weights,
                                                       int64_t index, const AttentionRows& rows) {
  ForRows(pool_, rows.count(), [&](int64_t row) {
    const RowPlace& place = rows.places[static_cast<size_t>(row)];
    float* input = input_.data() + row * columns_.total();
    float* keys = input + columns_.key_offset();
    if (!weights.input_bias.empty()) {
      context_.ops.add(weights.input_bias.data(), columns_.total(), input);
    }
    PrepareHeads({input, columns_.query_width, weights.query_norm}, index, place);
    PrepareHeads({keys, columns_.key_width, weights.key_norm}, index, place);
    Store(index, rows, row, keys, input + columns_.value_offset());
  });
  return {input_.data(), columns_.total(), shape_.head_dim};
}

void AttentionBlock::PrepareHeads(const Heads& heads, int64_t index, const RowPlace& place) {
  // The norm of all heads together is as wide as they are.
  const auto norm_width = static_cast<int64_t>(heads.norm.size());
  for (int64_t at = 0; norm_width > 0 && at < heads.width; at += norm_width) {
    context_.ops.rms_norm(heads.data + at, heads.norm.data(),
                          static_cast<float>(context_.config.norm_eps), norm_width,
                          heads.data + at);
  }
  if (!shape_.Rotates(index)) return;
  const RotaryPositions& rope =
      context_.ropes.Of(shape_.WindowOf(index) > 0, place.beyond_boundary);
  for (int64_t at = 0; at < heads.width; at += shape_.head_dim) {
    context_.ops.rope(heads.data + at, rope.cos(place.position), rope.sin(place.position),
                      rope.half());
  }
}

void AttentionBlock::GateOutput(int64_t rows) {
  ForRows(pool_, rows, [&](int64_t row) {
    float* gate = input_.data() + row * columns_.total() + columns_.gate_offset();
    float* out = attended_.data() + row * ld_attended_;
    context_.ops.sigmoid(gate, columns_.gate_width, gate);
    for (int64_t i = 0; i < columns_.gate_width; ++i) out[i] *= gate[i];
  });
}

AttentionBlock::Queries AttentionBlock::AbsorbedQueries(const AttentionWeights& weights,
                                                        int64_t index, const AttentionRows& rows) {
  const int64_t heads = shape_.num_heads, rank = shape_.kv_lora_rank;
  const int64_t rotated = shape_.qk_rope_head_dim;
  const int64_t stride = PadToPanel(rank) + rotated, ld_absorbed = heads * stride;
  CompressRows(weights, index, rows);
  const ExpandedQueries expanded = ExpandQueries(weights, rows.count());
  Grow(absorbed_, rows.count() * ld_absorbed);
  kernels::MultiplyCopies(pool_, context_.ops,
                          {.weights = &weights.key_part,
                           .a = expanded.data,
                           .lda = expanded.ld,
                           .rows = rows.count(),
                           .c = absorbed_.data(),
                           .ldc = ld_absorbed},
                          {.count = heads, .a_stride = shape_.query_dim(), .c_stride = stride});
  RotateQueries(expanded, rows);
  ForRows(pool_, rows.count(), [&](int64_t row) {
    const float* from = expanded.data + row * expanded.ld + shape_.qk_nope_head_dim;
    float* to = absorbed_.data() + row * ld_absorbed + rank;
    for (int64_t head = 0; head < heads; ++head, from += shape_.query_dim(), to += stride) {
      std::copy(from, from + rotated, to);
    }
  });
  return {absorbed_.data(), ld_absorbed, stride};
}

AttentionBlock::Queries AttentionBlock::UnabsorbedQueries(const AttentionWeights& weights,
                                                          int64_t index,
                                                          const AttentionRows& rows) {
  const int64_t heads = shape_.num_heads, n = shape_.qk_nope_head_dim, v = shape_.v_head_dim;
  const int64_t p = shape_.qk_rope_head_dim, rank = shape_.kv_lora_rank;
  const int64_t ld = PadToPanel(heads * (n + v)), ld_keys = heads * (n + p), ld_values = heads * v;
  CompressRows(weights, index, rows);
  Grow(expanded_, rows.count() * ld);
  Grow(keys_, rows.count() * ld_keys);
  Grow(values_, rows.count() * ld_values);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &weights.expand,
                     .a = input_.data() + columns_.key_offset(),
                     .lda = columns_.total(),
                     .rows = rows.count(),
                     .c = expanded_.data(),
                     .ldc = ld});
  ForRows(pool_, rows.count(), [&](int64_t row) {
    const float* both = expanded_.data() + row * ld;
    const float* rotated = input_.data() + row * columns_.total() + columns_.key_offset() + rank;
    float* key = keys_.data() + row * ld_keys;
    float* value = values_.data() + row * ld_values;
    for (int64_t head = 0; head < heads; ++head, both += n + v, key += n + p, value += v) {
      std::copy_n(both, n, key);
      std::copy_n(rotated, p, key + n);  // one for all heads
      std::copy_n(both + n, v, value);
    }
    Store(index, rows, row, keys_.data() + row * ld_keys, values_.data() + row * ld_values);
  });
  const ExpandedQueries queries = ExpandQueries(weights, rows.count());
  RotateQueries(queries, rows);
  return {queries.data, queries.ld, shape_.query_dim()};
}

void AttentionBlock::RotateQueries(const ExpandedQueries& queries, const AttentionRows& rows) {
  const RotaryPositions& rope = context_.ropes.Of(/*windowed=*/false, /*beyond_boundary=*/false);
  ForRows(pool_, rows.count(), [&](int64_t row) {
    const int64_t position = rows.places[static_cast<size_t>(row)].position;
    float* part = queries.data + row * queries.ld + shape_.qk_nope_head_dim;
    for (int64_t head = 0; head < shape_.num_heads; ++head, part += shape_.query_dim()) {
      context_.ops.rope(part, rope.cos(position), rope.sin(position), rope.half());
    }
  });
}

void AttentionBlock::CompressRows(const AttentionWeights& weights, int64_t index,
                                  const AttentionRows& rows) {
  const auto eps = static_cast<float>(policy::kLatentNormEps);
  const RotaryPositions& rope = context_.ropes.Of(/*windowed=*/false, /*beyond_boundary=*/false);
  ForRows(pool_, rows.count(), [&](int64_t row) {
    const int64_t position = rows.places[static_cast<size_t>(row)].position;
    float* query = input_.data() + row * columns_.total();
    float* key = query + columns_.key_offset();
    if (!weights.query_norm.empty()) {
      context_.ops.rms_norm(query, weights.query_norm.data(), eps, columns_.query_width, query);
    }
    context_.ops.rms_norm(key, weights.key_norm.data(), eps, shape_.kv_lora_rank, key);
    // Absorbed, kv_b_proj meets it nowhere as the operand that it is in the learner's products.
    if (absorbed() && weights.input.storage() == kernels::Storage::kBf16Pairs) {
      RoundRow(context_.ops, shape_.kv_lora_rank, key);
    }
    context_.ops.rope(key + shape_.kv_lora_rank, rope.cos(position), rope.sin(position),
                      rope.half());
    if (absorbed()) Store(index, rows, row, key, nullptr);
  });
}

AttentionBlock::ExpandedQueries AttentionBlock::ExpandQueries(const AttentionWeights& weights,
                                                              int64_t rows) {
  if (shape_.q_lora_rank == 0) return {input_.data(), columns_.total()};
  const int64_t ld = PadToPanel(shape_.num_heads * shape_.query_dim());
  Grow(queries_, rows * ld);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &weights.query,
                     .a = input_.data(),
                     .lda = columns_.total(),
                     .rows = rows,
                     .c = queries_.data(),
                     .ldc = ld});
  return {queries_.data(), ld};
}

void AttentionBlock::ExpandValues(const AttentionWeights& weights, int64_t rows) {
  const int64_t heads = shape_.num_heads, rank = shape_.kv_lora_rank;
  kernels::MultiplyCopies(
      pool_, context_.ops,
      {.weights = &weights.value_part,
       .a = gathered_.data(),
       .lda = heads * rank,
       .rows = rows,
       .c = attended_.data(),
       .ldc = ld_attended_},
      {.count = heads, .a_stride = rank, .c_stride = ValueStride(shape_, LatentForm::kAbsorbed)});
}

}  // namespace cohort::rollout
