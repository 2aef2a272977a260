#include "rollout/cpu/delta_net_block.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "policy/config/linear_attention.h"

namespace cohort::rollout {

namespace {

// As LibTorch's softplus: the identity where e^-x would vanish beside it.
float Softplus(float x) { return x > 20.0f ? x : std::log1p(std::exp(x)); }

}  // namespace

// x / sqrt(sum(x^2) + eps) is an RMSNorm whose weight is n^-1/2; queries are n^-1/2 long.
DeltaNetBlock::DeltaNetBlock(const ForwardContext& context, kernels::ThreadPool& pool)
    : context_(context),
      shape_(context.config.linear),
      pool_(pool),
      columns_(shape_),
      ld_(kernels::PadToPanel(context.config.width)) {
  const auto n = static_cast<double>(shape_.key_dim);
  key_norm_.assign(static_cast<size_t>(shape_.key_dim), static_cast<float>(1 / std::sqrt(n)));
  query_norm_.assign(key_norm_.size(), static_cast<float>(1 / n));
}

void DeltaNetBlock::Run(const DeltaNetWeights& weights, int64_t index,
                        const std::vector<RecurrentRows>& sequences, const float* x,
                        const AttentionBlock::Output& output) {
  const int64_t count = sequences.back().first + sequences.back().count;
  Grow(input_, count * columns_.total());
  Grow(mixed_, count * columns_.channels);
  Grow(decay_, count * columns_.heads);
  Grow(beta_, count * columns_.heads);
  Grow(attended_, count * columns_.gates);
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &weights.input,
                     .a = x,
                     .lda = ld_,
                     .rows = count,
                     .c = input_.data(),
                     .ldc = columns_.total()});
  runs_.clear();
  for (const RecurrentRows& rows : sequences) {
    Convolve(weights, index, rows);
    KeepWindow(index, rows);
    float* state = context_.states.Rule(index, rows.slot);
    runs_.push_back({rows.first, rows.count, state, state});
  }
  ForRows(pool_, count, [&](int64_t row) { PrepareRow(weights, row); });
  const int64_t keys = policy::KeyWidth(shape_);
  kernels::DeltaRule(
      {DeltaShapeOf(shape_), runs_, mixed_.data(), mixed_.data() + keys, columns_.channels,
       mixed_.data() + 2 * keys, columns_.channels, decay_.data(), beta_.data(), columns_.heads},
      {attended_.data(), columns_.gates, nullptr}, context_.ops,
      [&](int64_t n, const std::function<void(int64_t)>& task) {
        pool_.ParallelFor(n, [&](int64_t i, int) { task(i); });
      });
  ForRows(pool_, count, [&](int64_t row) { GateRow(weights, row); });
  kernels::Multiply(pool_, context_.ops,
                    {.weights = &weights.output,
                     .a = attended_.data(),
                     .lda = columns_.gates,
                     .rows = count,
                     .c = output.out,
                     .ldc = ld_,
                     .mode = output.mode});
}

void DeltaNetBlock::Convolve(const DeltaNetWeights& weights, int64_t index,
                             const RecurrentRows& rows) {
  const int64_t width = shape_.conv_width;
  const float* window = context_.states.Window(index, rows.slot);
  ForRows(pool_, rows.count, [&](int64_t i) {
    std::array<const float*, policy::kMaxConvWidth> seen{};  // the oldest first
    for (int64_t n = 0; n < width; ++n) {
      const int64_t at = i - width + 1 + n;
      seen[static_cast<size_t>(n)] =
          at < 0 ? window + (at + width - 1) * columns_.channels : Input(rows.first + at);
    }
    context_.ops.conv_silu(seen.data(), weights.conv.data(), width, columns_.channels,
                           mixed_.data() + (rows.first + i) * columns_.channels);
  });
}

// The last rows before the convolution, for the step that follows.
void DeltaNetBlock::KeepWindow(int64_t index, const RecurrentRows& rows) {
  const int64_t kept = shape_.conv_width - 1, channels = columns_.channels;
  float* window = context_.states.Window(index, rows.slot);
  const int64_t old = std::max<int64_t>(0, kept - rows.count);
  std::copy(window + (kept - old) * channels, window + kept * channels, window);
  for (int64_t i = old; i < kept; ++i) {
    std::copy_n(Input(rows.first + rows.count - kept + i), channels, window + i * channels);
  }
}

void DeltaNetBlock::PrepareRow(const DeltaNetWeights& weights, int64_t row) {
  const auto eps =
      static_cast<float>(policy::kDeltaKeyNormEps / static_cast<double>(shape_.key_dim));
  float* query = mixed_.data() + row * columns_.channels;
  float* key = query + policy::KeyWidth(shape_);
  for (int64_t head = 0; head < shape_.num_key_heads; ++head) {
    const int64_t at = head * shape_.key_dim;
    context_.ops.rms_norm(query + at, query_norm_.data(), eps, shape_.key_dim, query + at);
    context_.ops.rms_norm(key + at, key_norm_.data(), eps, shape_.key_dim, key + at);
  }
  const float *b = Input(row) + columns_.b_offset(), *a = Input(row) + columns_.a_offset();
  context_.ops.sigmoid(b, columns_.heads, beta_.data() + row * columns_.heads);
  for (int64_t head = 0; head < columns_.heads; ++head) {
    const auto i = static_cast<size_t>(head);
    const float rate = weights.rate[i] * Softplus(a[head] + weights.rate_bias[i]);
    decay_[static_cast<size_t>(row * columns_.heads + head)] = std::exp(-rate);
  }
}

// Each head normalised, times silu of its gate.
void DeltaNetBlock::GateRow(const DeltaNetWeights& weights, int64_t row) {
  const float* gate = Input(row) + columns_.gate_offset();
  float* out = attended_.data() + row * columns_.gates;
  float* squashed = Input(row);  // the convolution is done with it
  context_.ops.sigmoid(gate, columns_.gates, squashed);
  for (int64_t head = 0; head < columns_.heads; ++head) {
    float* values = out + head * shape_.value_dim;
    context_.ops.rms_norm(values, weights.norm.data(), static_cast<float>(context_.config.norm_eps),
                          shape_.value_dim, values);
  }
  for (int64_t i = 0; i < columns_.gates; ++i) out[i] *= gate[i] * squashed[i];
}

}  // namespace cohort::rollout
