#include "rollout/forward.h"

#include <algorithm>
#include <cstring>

namespace cohort::rollout {

namespace {

using kernels::kBlockTokens;
using kernels::PadToPanel;
using kernels::TileMode;

constexpr int64_t kRowsPerTask = 8;  // of the cheap operations along a row

void Grow(std::vector<float>& buffer, int64_t floats) {
  if (static_cast<int64_t>(buffer.size()) < floats) buffer.resize(static_cast<size_t>(floats));
}

template <class Body>
void ForRows(kernels::ThreadPool& pool, int64_t rows, Body&& body) {
  pool.ParallelFor((rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task, int) {
    const int64_t end = std::min((task + 1) * kRowsPerTask, rows);
    for (int64_t row = task * kRowsPerTask; row < end; ++row) body(row);
  });
}

}  // namespace

Forward::Forward(const ForwardContext& context, kernels::ThreadPool& pool)
    : context_(context),
      pool_(pool),
      width_(context.config.width),
      ld_(PadToPanel(width_)),
      query_width_(context.config.attention.num_heads * context.config.attention.head_dim),
      kv_width_(context.config.attention.num_kv_heads * context.config.attention.head_dim),
      ld_qkv_(PadToPanel(query_width_) + 2 * PadToPanel(kv_width_)),
      key_offset_(PadToPanel(query_width_)),
      value_offset_(key_offset_ + PadToPanel(kv_width_)) {}

void Forward::Run(std::span<const Segment> segments) {
  PlaceRows(segments);
  BundleRows(segments);
  Grow(hidden_, rows_ * ld_);
  Grow(normed_, rows_ * ld_);
  Grow(qkv_, rows_ * ld_qkv_);
  Grow(attended_, rows_ * query_width_);
  Embed(segments);
  const std::vector<LayerWeights>& layers = context_.weights.layers();
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    AttentionLayer(layers[i], index);
    context_.config.IsMoeLayer(index) ? MoeLayer(layers[i]) : DenseLayer(layers[i]);
  }
}

void Forward::PlaceRows(std::span<const Segment> segments) {
  positions_.clear();
  attention_rows_.clear();
  for (const Segment& segment : segments) {
    for (size_t i = 0; i < segment.tokens.size(); ++i) {
      positions_.push_back(segment.start + static_cast<int64_t>(i));
      attention_rows_.push_back({segment.blocks.data(), positions_.back() + 1});
    }
  }
  rows_ = static_cast<int64_t>(positions_.size());
}

// Rows of one sequence share all blocks; decoding samples of one group share their prompt's.
void Forward::BundleRows(std::span<const Segment> segments) {
  const int64_t group =
      context_.config.attention.num_heads / context_.config.attention.num_kv_heads;
  bundles_.clear();
  int64_t row = 0;
  const Segment* first = nullptr;  // of the last bundle, while decoding segments may still join it
  for (const Segment& segment : segments) {
    const auto count = static_cast<int64_t>(segment.tokens.size());
    const int64_t most = kernels::BundleRows(group, segment.start + count);
    if (count == 1 && first != nullptr && bundles_.back().num_rows < most) {
      const auto [mine, theirs] = std::mismatch(segment.blocks.begin(), segment.blocks.end(),
                                                first->blocks.begin(), first->blocks.end());
      const int64_t whole = std::min(segment.start + 1, first->start + 1) / kBlockTokens;
      const int64_t shared = std::min<int64_t>(mine - segment.blocks.begin(), whole);
      if (shared > 0) {
        bundles_.back().shared_blocks = std::min(bundles_.back().shared_blocks, shared);
        ++bundles_.back().num_rows;
        ++row;
        continue;
      }
    }
    for (int64_t begin = 0; begin < count; begin += most) {
      const int64_t rows = std::min(most, count - begin);
      bundles_.push_back({row, rows, BlocksFor(segment.start + begin + rows)});
      row += rows;
    }
    first = count == 1 ? &segment : nullptr;
  }
}

void Forward::Embed(std::span<const Segment> segments) {
  float* out = hidden_.data();
  for (const Segment& segment : segments) {
    for (const int32_t token : segment.tokens) {
      context_.weights.embedding().ReadColumn(token, out);
      out += ld_;
    }
  }
}

void Forward::Norm(const std::vector<float>& weight) {
  ForRows(pool_, rows_, [&](int64_t row) {
    context_.ops.rms_norm(hidden_.data() + row * ld_, weight.data(),
                          static_cast<float>(context_.config.norm_eps), width_,
                          normed_.data() + row * ld_);
  });
}

void Forward::AttentionLayer(const LayerWeights& layer, int64_t index) {
  Norm(layer.attention_norm);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &layer.qkv,
                     .a = normed_.data(),
                     .lda = ld_,
                     .rows = rows_,
                     .c = qkv_.data(),
                     .ldc = ld_qkv_});
  RotateAndStore(index);
  const kernels::AttentionArgs args{.layout = context_.cache.layout(),
                                    .cache = context_.cache.Block(index, 0),
                                    .block_stride = context_.cache.block_stride(),
                                    .num_heads = context_.config.attention.num_heads,
                                    .q = qkv_.data(),
                                    .ldq = ld_qkv_,
                                    .out = attended_.data(),
                                    .ldo = query_width_,
                                    .rows = &attention_rows_,
                                    .bundles = &bundles_};
  kernels::Attention(pool_, context_.ops, args, attention_scratch_);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &layer.output,
                     .a = attended_.data(),
                     .lda = query_width_,
                     .rows = rows_,
                     .c = hidden_.data(),
                     .ldc = ld_,
                     .mode = TileMode::kAdd});
}

void Forward::RotateAndStore(int64_t layer) {
  const int64_t head_dim = context_.config.attention.head_dim;
  const RopeTable& rope = context_.rope;
  ForRows(pool_, rows_, [&](int64_t row) {
    const auto at = static_cast<size_t>(row);
    const int64_t position = positions_[at];
    float* qkv = qkv_.data() + row * ld_qkv_;
    const auto rotate = [&](float* heads, int64_t width) {
      for (int64_t offset = 0; offset < width; offset += head_dim) {
        context_.ops.rope(heads + offset, rope.cos(position), rope.sin(position), rope.half());
      }
    };
    rotate(qkv, query_width_);
    rotate(qkv + key_offset_, kv_width_);
    const int32_t block = attention_rows_[at].blocks[position / kBlockTokens];
    kernels::WriteKv(context_.cache.layout(), context_.cache.Block(layer, block),
                     position % kBlockTokens, qkv + key_offset_, qkv + value_offset_);
  });
}

void Forward::RunFfn(const FfnWeights& ffn, float* out, TileMode mode) {
  const int64_t ld_both = ld_ffn(ffn), ld_activated = ld_both / 2;
  Grow(gate_up_, rows_ * ld_both);
  Grow(activated_, rows_ * ld_activated);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &ffn.gate_up,
                     .a = normed_.data(),
                     .lda = ld_,
                     .rows = rows_,
                     .c = gate_up_.data(),
                     .ldc = ld_both,
                     .silu_out = activated_.data(),
                     .ld_silu = ld_activated});
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &ffn.down,
                     .a = activated_.data(),
                     .lda = ld_activated,
                     .rows = rows_,
                     .c = out,
                     .ldc = ld_,
                     .mode = mode});
}

void Forward::DenseLayer(const LayerWeights& layer) {
  Norm(layer.ffn_norm);
  RunFfn(layer.ffn, hidden_.data(), TileMode::kAdd);
}

void Forward::MoeLayer(const LayerWeights& layer) {
  const policy::MoeConfig& moe = context_.config.moe;
  const int64_t ld_router = PadToPanel(moe.num_experts), picks = moe.experts_per_token;
  Norm(layer.ffn_norm);
  Grow(router_logits_, rows_ * ld_router);
  Grow(expert_weights_, rows_ * picks);
  if (static_cast<int64_t>(experts_.size()) < rows_ * picks)
    experts_.resize(static_cast<size_t>(rows_ * picks));
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &layer.router,
                     .a = normed_.data(),
                     .lda = ld_,
                     .rows = rows_,
                     .c = router_logits_.data(),
                     .ldc = ld_router});
  const kernels::GateRule rule{moe.num_experts, picks, moe.normalize_weights,
                               static_cast<float>(moe.routed_scaling)};
  ForRows(pool_, rows_, [&](int64_t row) {
    kernels::PickExperts(context_.ops, rule, router_logits_.data() + row * ld_router,
                         layer.selection_bias.data(), experts_.data() + row * picks,
                         expert_weights_.data() + row * picks);
  });
  const bool has_shared = moe.num_shared_experts > 0;
  if (has_shared) {
    Grow(shared_, rows_ * ld_);
    RunFfn(layer.ffn, shared_.data(), TileMode::kStore);
  }
  kernels::RoutedExperts(pool_, context_.ops,
                         {.gate_up = &layer.experts.gate_up,
                          .down = &layer.experts.down,
                          .num_experts = moe.num_experts,
                          .experts_per_token = picks,
                          .x = normed_.data(),
                          .ldx = ld_,
                          .rows = rows_,
                          .width = width_,
                          .experts = experts_.data(),
                          .weights = expert_weights_.data(),
                          .shared = has_shared ? shared_.data() : nullptr,
                          .residual = hidden_.data(),
                          .ld_out = ld_},
                         moe_scratch_);
}

const float* Forward::Logits(std::span<const int64_t> rows) {
  const auto count = static_cast<int64_t>(rows.size());
  Grow(picked_, count * ld_);
  Grow(logits_, count * ld_logits());
  for (int64_t i = 0; i < count; ++i) {
    context_.ops.rms_norm(
        hidden_.data() + rows[static_cast<size_t>(i)] * ld_, context_.weights.final_norm().data(),
        static_cast<float>(context_.config.norm_eps), width_, picked_.data() + i * ld_);
  }
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &context_.weights.head(),
                     .a = picked_.data(),
                     .lda = ld_,
                     .rows = count,
                     .c = logits_.data(),
                     .ldc = ld_logits()});
  return logits_.data();
}

}  // namespace cohort::rollout
