#include "rollout/attention_block.h"

namespace cohort::rollout {

using kernels::kBlockTokens;

AttentionBlock::AttentionBlock(const ForwardContext& context, kernels::ThreadPool& pool)
    : context_(context),
      pool_(pool),
      columns_(context.config.attention),
      ld_(kernels::PadToPanel(context.config.width)) {}

void AttentionBlock::Run(const AttentionWeights& weights, int64_t index, const AttentionRows& rows,
                         const float* normed, float* hidden) {
  Grow(input_, rows.count() * columns_.total());
  Grow(attended_, rows.count() * columns_.query_width);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &weights.input,
                     .a = normed,
                     .lda = ld_,
                     .rows = rows.count(),
                     .c = input_.data(),
                     .ldc = columns_.total()});
  RotateAndStore(weights, index, rows);
  kernels::Attention(pool_, context_.ops,
                     {.layout = context_.cache.layout(),
                      .cache = context_.cache.Block(index, 0),
                      .block_stride = context_.cache.block_stride(),
                      .num_heads = context_.config.attention.num_heads,
                      .q = input_.data(),
                      .ldq = columns_.total(),
                      .out = attended_.data(),
                      .ldo = columns_.query_width,
                      .rows = &rows.at,
                      .bundles = &rows.bundles},
                     scratch_);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &weights.output,
                     .a = attended_.data(),
                     .lda = columns_.query_width,
                     .rows = rows.count(),
                     .c = hidden,
                     .ldc = ld_,
                     .mode = kernels::TileMode::kAdd});
}

void AttentionBlock::PrepareHeads(float* heads, int64_t width, const std::vector<float>& norm,
                                  int64_t position) {
  const int64_t head_dim = context_.config.attention.head_dim;
  const RopeTable& rope = context_.rope;
  for (float* head = heads; head < heads + width; head += head_dim) {
    if (!norm.empty()) {
      context_.ops.rms_norm(head, norm.data(), static_cast<float>(context_.config.norm_eps),
                            head_dim, head);
    }
    context_.ops.rope(head, rope.cos(position), rope.sin(position), rope.half());
  }
}

void AttentionBlock::RotateAndStore(const AttentionWeights& weights, int64_t index,
                                    const AttentionRows& rows) {
  ForRows(pool_, rows.count(), [&](int64_t row) {
    const auto at = static_cast<size_t>(row);
    const int64_t position = rows.positions[at];
    float* input = input_.data() + row * columns_.total();
    float* keys = input + columns_.key_offset();
    if (!weights.input_bias.empty()) {
      context_.ops.add(weights.input_bias.data(), columns_.total(), input);
    }
    PrepareHeads(input, columns_.query_width, weights.query_norm, position);
    PrepareHeads(keys, columns_.key_width, weights.key_norm, position);
    const int32_t block = rows.at[at].blocks[position / kBlockTokens];
    kernels::WriteKv(context_.cache.layout(), context_.cache.Block(index, block),
                     position % kBlockTokens, keys, input + columns_.value_offset());
  });
}

}  // namespace cohort::rollout
