#include "rollout/cpu/forward.h"

#include <algorithm>

namespace cohort::rollout {

using kernels::kBlockTokens;
using kernels::PadToPanel;
using kernels::TileMode;

namespace {

const float* OrNull(const std::vector<float>& values) {
  return values.empty() ? nullptr : values.data();
}

}  // namespace

Forward::Forward(const ForwardContext& context, kernels::ThreadPool& pool)
    : context_(context),
      pool_(pool),
      width_(context.config.width),
      ld_(PadToPanel(width_)),
      gate_rule_(context.config.moe),
      routing_(policy::RoutingFormatOf(context.config)),
      attention_(context, pool),
      delta_net_(context, pool),
      attention_rows_(context.cache.groups().windows.size()) {}

void Forward::Run(std::span<const SequenceRows> sequences) {
  for (size_t group = 0; group < attention_rows_.size(); ++group) {
    PlaceRows(sequences, group);
    BundleRows(sequences, group);
  }
  rows_ = 0;
  recurrent_rows_.clear();
  for (const SequenceRows& sequence : sequences) {
    recurrent_rows_.push_back({rows_, std::ssize(sequence.tokens), sequence.state});
    rows_ += recurrent_rows_.back().count;
  }
  Grow(hidden_, rows_ * ld_);
  Grow(normed_, rows_ * ld_);
  Grow(output_, rows_ * ld_);
  Embed(sequences);
  const std::vector<LayerWeights>& layers = context_.weights.layers();
  int64_t moe_layer = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    Attend(layers[i], index);
    if (!context_.config.IsMoeLayer(index)) {
      DenseLayer(layers[i]);
      continue;
    }
    MoeLayer(layers[i]);
    RecordRouting(sequences, moe_layer++);
  }
}

void Forward::RecordRouting(std::span<const SequenceRows> sequences, int64_t moe_layer) const {
  const int32_t* experts = experts_.data();
  for (const SequenceRows& sequence : sequences) {
    for (size_t token = 0; sequence.routing != nullptr && token < sequence.tokens.size(); ++token) {
      routing_.Write(experts + static_cast<int64_t>(token) * routing_.experts_per_token,
                     sequence.routing + static_cast<int64_t>(token) * routing_.token_bytes() +
                         moe_layer * routing_.layer_bytes());
    }
    experts += std::ssize(sequence.tokens) * routing_.experts_per_token;
  }
}

void Forward::PlaceRows(std::span<const SequenceRows> sequences, size_t group) {
  AttentionRows& rows = attention_rows_[group];
  rows.places.clear();
  rows.at.clear();
  for (const SequenceRows& sequence : sequences) {
    for (size_t i = 0; i < sequence.tokens.size(); ++i) {
      const int64_t position = sequence.start + static_cast<int64_t>(i);
      rows.places.push_back({position, sequence.beyond_boundary});
      rows.at.push_back({sequence.tables[group].data(), position + 1});
    }
  }
}

// Rows of one sequence share all blocks; decoding samples of a group share their prompt's, as far
// as the windows of both reach.
void Forward::BundleRows(std::span<const SequenceRows> sequences, size_t group) {
  const int64_t heads = context_.config.attention.num_heads / context_.cache.layout().kv_heads;
  const int64_t window = context_.cache.groups().windows[group];
  const auto first_block = [&](const SequenceRows& sequence) {
    return window == 0 ? 0 : std::max<int64_t>(0, sequence.start + 1 - window) / kBlockTokens;
  };
  std::vector<kernels::AttentionBundle>& bundles = attention_rows_[group].bundles;
  bundles.clear();
  int64_t row = 0;
  const SequenceRows* first =
      nullptr;  // of the last bundle, while decoding sequences may still join it
  for (const SequenceRows& sequence : sequences) {
    const auto count = static_cast<int64_t>(sequence.tokens.size());
    const int64_t unseen = first_block(sequence);
    const int64_t most = kernels::BundleRows(heads, sequence.start + count - unseen * kBlockTokens);
    if (count == 1 && first != nullptr && bundles.back().num_rows < most &&
        first_block(*first) == unseen) {
      const BlockTable &mine = sequence.tables[group], &theirs = first->tables[group];
      const auto parting =
          std::mismatch(mine.begin() + unseen, mine.end(), theirs.begin() + unseen, theirs.end());
      const int64_t whole = std::min(sequence.start + 1, first->start + 1) / kBlockTokens;
      const int64_t shared = std::min<int64_t>(parting.first - mine.begin(), whole);
      if (shared > unseen) {
        bundles.back().shared_blocks = std::min(bundles.back().shared_blocks, shared);
        ++bundles.back().num_rows;
        ++row;
        continue;
      }
    }
    for (int64_t begin = 0; begin < count; begin += most) {
      const int64_t rows = std::min(most, count - begin);
      bundles.push_back({row, rows, KvBlocksFor(sequence.start + begin + rows)});
      row += rows;
    }
    first = count == 1 ? &sequence : nullptr;
  }
}

void Forward::Embed(std::span<const SequenceRows> sequences) {
  float* out = hidden_.data();
  for (const SequenceRows& sequence : sequences) {
    for (const int32_t token : sequence.tokens) {
      context_.weights.embedding().ReadColumn(token, out);
      if (context_.config.embedding_scale != 1.0) {
        context_.ops.scale(static_cast<float>(context_.config.embedding_scale), width_, out);
      }
      out += ld_;
    }
  }
}

const float* Forward::Input(const std::vector<float>& norm) {
  if (norm.empty()) return hidden_.data();
  ForRows(pool_, rows_, [&](int64_t row) {
    context_.ops.rms_norm(hidden_.data() + row * ld_, norm.data(),
                          static_cast<float>(context_.config.norm_eps), width_,
                          normed_.data() + row * ld_);
  });
  return normed_.data();
}

bool Forward::AddsAtOnce(const Outcome& outcome) const {
  return outcome.norm.empty() && outcome.bias.empty() && context_.config.residual_scale == 1.0;
}

AttentionBlock::Output Forward::OutputOf(const Outcome& outcome) {
  if (AddsAtOnce(outcome)) return {hidden_.data(), TileMode::kAdd};
  return {output_.data(), TileMode::kStore};
}

void Forward::Add(const Outcome& outcome) {
  if (AddsAtOnce(outcome)) return;
  ForRows(pool_, rows_, [&](int64_t row) {
    float* out = output_.data() + row * ld_;
    if (!outcome.bias.empty()) context_.ops.add(outcome.bias.data(), width_, out);
    if (!outcome.norm.empty()) {
      context_.ops.rms_norm(out, outcome.norm.data(), static_cast<float>(context_.config.norm_eps),
                            width_, out);
    }
    context_.ops.multiply_add(static_cast<float>(context_.config.residual_scale), out, width_,
                              hidden_.data() + row * ld_);
  });
}

void Forward::Attend(const LayerWeights& layer, int64_t index) {
  const float* x = Input(layer.attention_in);
  const Outcome outcome{layer.attention_out, layer.attention.output_bias};
  const AttentionBlock::Output output = OutputOf(outcome);
  if (context_.config.linear.Has(index)) {
    delta_net_.Run(layer.delta_net, index, recurrent_rows_, x, output);
  } else {
    const auto group =
        static_cast<size_t>(context_.cache.groups().places[static_cast<size_t>(index)].group);
    attention_.Run(layer.attention, index, attention_rows_[group], x, output);
  }
  Add(outcome);
}

void Forward::RunFfn(const FfnWeights& ffn, const float* x, const AttentionBlock::Output& output) {
  const int64_t ld_both = ld_ffn(ffn), ld_activated = ld_both / 2;
  Grow(gate_up_, rows_ * ld_both);
  Grow(activated_, rows_ * ld_activated);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &ffn.gate_up,
                     .a = x,
                     .lda = ld_,
                     .rows = rows_,
                     .c = gate_up_.data(),
                     .ldc = ld_both,
                     .gated_out = activated_.data(),
                     .ld_gated = ld_activated,
                     .unit = context_.config.gated_unit});
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &ffn.down,
                     .a = activated_.data(),
                     .lda = ld_activated,
                     .rows = rows_,
                     .c = output.out,
                     .ldc = ld_,
                     .mode = output.mode});
}

void Forward::DenseLayer(const LayerWeights& layer) {
  const Outcome outcome{layer.ffn_out, {}};
  RunFfn(layer.ffn, Input(layer.ffn_in), OutputOf(outcome));
  Add(outcome);
}

void Forward::Route(const LayerWeights& layer) {
  const int64_t picks = gate_rule_.experts_per_token;
  const int64_t ld_router = PadToPanel(gate_rule_.num_experts);
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
                     .ldc = ld_router,
                     .bias = OrNull(layer.router_bias)});
  const float* bias = OrNull(layer.selection_bias);
  ForRows(pool_, rows_, [&](int64_t row) {
    kernels::PickExperts(context_.ops, gate_rule_, router_logits_.data() + row * ld_router, bias,
                         experts_.data() + row * picks, expert_weights_.data() + row * picks);
  });
}

void Forward::GateShared(const LayerWeights& layer) {
  Grow(shared_gates_, rows_ * kernels::kPanelColumns);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &layer.shared_gate,
                     .a = normed_.data(),
                     .lda = ld_,
                     .rows = rows_,
                     .c = shared_gates_.data(),
                     .ldc = kernels::kPanelColumns});
  ForRows(pool_, rows_, [&](int64_t row) {
    float* gate = shared_gates_.data() + row * kernels::kPanelColumns;
    context_.ops.sigmoid(gate, 1, gate);
    context_.ops.scale(*gate, width_, shared_.data() + row * ld_);
  });
}

void Forward::MoeLayer(const LayerWeights& layer) {
  const policy::MoeConfig& moe = context_.config.moe;
  Input(layer.ffn_in);
  Route(layer);
  const bool has_shared = moe.shared_width > 0;
  if (has_shared) {
    Grow(shared_, rows_ * ld_);
    RunFfn(layer.ffn, normed_.data(), {shared_.data(), TileMode::kStore});
    if (moe.shared_gate) GateShared(layer);
  }
  kernels::RoutedExperts(pool_, context_.ops,
                         {.gate_up = &layer.experts.gate_up,
                          .down = &layer.experts.down,
                          .unit = context_.config.gated_unit,
                          .gate_up_bias = OrNull(layer.gate_up_bias),
                          .down_bias = OrNull(layer.down_bias),
                          .num_experts = moe.num_experts,
                          .experts_per_token = moe.experts_per_token,
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
    if (context_.config.logit_scale != 1.0) {
      context_.ops.scale(static_cast<float>(context_.config.logit_scale), width_,
                         picked_.data() + i * ld_);
    }
  }
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &context_.weights.head(),
                     .a = picked_.data(),
                     .lda = ld_,
                     .rows = count,
                     .c = logits_.data(),
                     .ldc = ld_logits()});
  CapLogits(count);
  return logits_.data();
}

void Forward::CapLogits(int64_t rows) {
  const auto cap = static_cast<float>(context_.config.logit_soft_cap);
  if (cap == 0) return;
  ForRows(pool_, rows, [&](int64_t row) {
    context_.ops.soft_cap(logits_.data() + row * ld_logits(), 1.0f, cap,
                          context_.config.vocab_size);
  });
}

}  // namespace cohort::rollout
