#include "kernels/cpu/segment_delta_rule.h"

#include <algorithm>
#include <map>
#include <vector>

namespace cohort::kernels {
namespace {

// Tokens whose pairs are met in one product.
constexpr int64_t kChunk = 64;

int64_t Chunks(int64_t length) { return (length + kChunk - 1) / kChunk; }

void OneByOne(int64_t n, const std::function<void(int64_t)>& task) {
  for (int64_t i = 0; i < n; ++i) task(i);
}

// A matrix of any strides.
struct Matrix {
  const float* data;
  int64_t rows, columns;
  int64_t row, column = 1;

  Matrix Transposed() const { return {data, columns, rows, column, row}; }
  Matrix Rows(int64_t first, int64_t count) const {
    return {data + first * row, count, columns, row, column};
  }
  const float* Row(int64_t i) const { return data + i * row; }
};

struct alignas(64) Line {
  float floats[16];
};

// A segment without a prefix, and those that go on from it.
struct SegmentFamily {
  const AttentionSegment* root = nullptr;
  std::vector<const AttentionSegment*> continuations;
};

std::vector<SegmentFamily> Families(std::span<const AttentionSegment> segments) {
  std::map<int64_t, SegmentFamily> by_root;
  for (const AttentionSegment& segment : segments) {
    if (segment.length == 0) continue;
    if (segment.prefix_length > 0) {
      by_root[segment.prefix_first].continuations.push_back(&segment);
    } else {
      by_root[segment.first].root = &segment;
    }
  }
  std::vector<SegmentFamily> families;
  for (auto& [first, family] : by_root) families.push_back(std::move(family));
  return families;
}

// The gradients of one value head, a sequence after the other. Shapes: C rows of a chunk; the state
// is [d_k, d_v] here.
class HeadBackward {
 public:
  HeadBackward(const SegmentDeltaRuleArgs& args, const DeltaRuleKept& kept,
               const DeltaRuleGradients& gradients, const Ops& ops)
      : args_(args),
        kept_(kept),
        gradients_(gradients),
        ops_(ops),
        state_(args.key_dim * args.value_dim),
        pairs_(4, std::vector<float>(kChunk * kChunk)),
        keys_(3, std::vector<float>(static_cast<size_t>(kChunk * args.key_dim))),
        values_(3, std::vector<float>(static_cast<size_t>(kChunk * args.value_dim))) {}

  void Run(const SegmentFamily& family, int64_t head) {
    head_ = head;
    key_head_ = head / (args_.value_heads / args_.key_heads);
    const std::vector<float> zeros(static_cast<size_t>(state_));
    const std::vector<float> prefix = States(*family.root, zeros.data());
    const float* end = prefix.data() + Chunks(family.root->length) * state_;
    std::vector<float> of_end = zeros;
    for (const AttentionSegment* segment : family.continuations) {
      std::vector<float> of_state = zeros;
      Reverse(*segment, States(*segment, end), of_state.data());
      ops_.add(of_state.data(), state_, of_end.data());
    }
    Reverse(*family.root, prefix, of_end.data());
  }

 private:
  Matrix Keys(const float* data, int64_t first, int64_t rows) const {
    const int64_t row = args_.key_heads * args_.key_dim;
    return {data + first * row + key_head_ * args_.key_dim, rows, args_.key_dim, row};
  }
  Matrix Values(const float* data, int64_t first, int64_t rows) const {
    const int64_t row = args_.value_heads * args_.value_dim;
    return {data + first * row + head_ * args_.value_dim, rows, args_.value_dim, row};
  }
  Matrix State(const float* data) const {
    return {data, args_.key_dim, args_.value_dim, args_.value_dim};
  }
  static Matrix Pairs(const std::vector<float>& data, int64_t rows) {
    return {data.data(), rows, rows, kChunk};
  }
  Matrix Plain(const std::vector<float>& data, int64_t rows, int64_t columns) const {
    return {data.data(), rows, columns, columns};
  }
  int64_t GateAt(int64_t row) const { return row * args_.value_heads + head_; }

  // out = a b, or out += a b.
  void Multiply(const Matrix& a, const Matrix& b, float* out, int64_t out_row,
                bool accumulate = false) {
    const DenseProduct product{a.data, a.row,   a.column, b.data,    b.column,  b.row,
                               out,    out_row, a.rows,   a.columns, b.columns, accumulate};
    const int64_t floats = DenseScratchFloats({&product, 1});
    if (std::ssize(scratch_) * 16 < floats) scratch_.resize(static_cast<size_t>(floats / 16 + 1));
    MultiplyDense({&product, 1}, ops_, reinterpret_cast<float*>(scratch_.data()), OneByOne);
  }

  // to = diag(factors) from, rows of n.
  void ScaleRows(const Matrix& from, const float* factors, float* to) const {
    for (int64_t i = 0; i < from.rows; ++i) {
      std::copy_n(from.Row(i), from.columns, to + i * from.columns);
      ops_.scale(factors[i], from.columns, to + i * from.columns);
    }
  }

  // The sum in 16 lanes, whose order is fixed.
  static float Dot(const float* a, const float* b, int64_t n) {
    float lanes[16] = {};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
      for (int64_t j = 0; j < 16; ++j) lanes[j] += a[i + j] * b[i + j];
    }
    for (int64_t j = 0; i + j < n; ++j) lanes[j] += a[i + j] * b[i + j];
    for (int half = 8; half > 0; half /= 2) {
      for (int j = 0; j < half; ++j) lanes[j] += lanes[j + half];
    }
    return lanes[0];
  }

  void ReadChunk(int64_t first, int64_t rows);
  std::vector<float> States(const AttentionSegment& segment, const float* before);
  void Reverse(const AttentionSegment& segment, const std::vector<float>& states, float* of_state);
  void ReverseChunk(int64_t first, int64_t rows, const float* before, float* of_state);
  void SolveBack(int64_t first, int64_t rows, const float* of_state);
  void ReversePairs(int64_t first, int64_t rows);
  void ReverseStates(int64_t first, int64_t rows, const float* before, float* of_state);

  const SegmentDeltaRuleArgs& args_;
  const DeltaRuleKept& kept_;
  const DeltaRuleGradients& gradients_;
  const Ops& ops_;
  int64_t head_ = 0, key_head_ = 0;
  int64_t state_;  // floats
  // Of the chunk: minus the sum of log decays up to a row, e^ of the sum up to it and from it to
  // the end; the gradient of the sum.
  float negative_[kChunk], since_start_[kChunk], to_end_[kChunk], of_sum_[kChunk];
  // [C, C]: decays between rows, q k^T, k k^T times these; a gradient.
  std::vector<std::vector<float>> pairs_;
  std::vector<std::vector<float>> keys_;    // [C, d_k]
  std::vector<std::vector<float>> values_;  // [C, d_v]: beta r, its gradient, beta times that
  std::vector<Line> scratch_;
};

// The decays, the writes beta r, and the keys as they reach the chunk's end.
void HeadBackward::ReadChunk(int64_t first, int64_t rows) {
  float sum = 0;
  for (int64_t t = 0; t < rows; ++t) {
    sum += kept_.log_decay[GateAt(first + t)];
    negative_[t] = -sum;
  }
  for (int64_t t = 0; t < rows; ++t) since_start_[t] = -negative_[t];
  ops_.exp_scaled(since_start_, 1.0f, 0.0f, rows, since_start_);
  ops_.exp_scaled(negative_, 1.0f, -sum, rows, to_end_);
  const Matrix residual = Values(kept_.residual, first, rows);
  float beta[kChunk];
  for (int64_t t = 0; t < rows; ++t) beta[t] = args_.beta[GateAt(first + t)];
  ScaleRows(residual, beta, values_[0].data());
  ScaleRows(Keys(args_.k, first, rows), to_end_, keys_[0].data());
}

// The state before each chunk, and the last one.
std::vector<float> HeadBackward::States(const AttentionSegment& segment, const float* before) {
  const int64_t chunks = Chunks(segment.length);
  std::vector<float> states(static_cast<size_t>((chunks + 1) * state_));
  std::copy_n(before, state_, states.begin());
  for (int64_t c = 0; c < chunks; ++c) {
    const int64_t rows = std::min(kChunk, segment.length - c * kChunk);
    ReadChunk(segment.first + c * kChunk, rows);
    const float* from = states.data() + c * state_;
    float* to = states.data() + (c + 1) * state_;
    std::copy_n(from, state_, to);
    ops_.scale(since_start_[rows - 1], state_, to);
    Multiply(Plain(keys_[0], rows, args_.key_dim).Transposed(),
             Plain(values_[0], rows, args_.value_dim), to, args_.value_dim, true);
  }
  return states;
}

// of_state: the gradient of the last state, then that of the first.
void HeadBackward::Reverse(const AttentionSegment& segment, const std::vector<float>& states,
                           float* of_state) {
  for (int64_t c = Chunks(segment.length) - 1; c >= 0; --c) {
    const int64_t rows = std::min(kChunk, segment.length - c * kChunk);
    ReverseChunk(segment.first + c * kChunk, rows, states.data() + c * state_, of_state);
  }
}

void HeadBackward::ReverseChunk(int64_t first, int64_t rows, const float* before, float* of_state) {
  ReadChunk(first, rows);
  std::fill_n(of_sum_, rows, 0.0f);
  SolveBack(first, rows, of_state);
  ReversePairs(first, rows);
  ReverseStates(first, rows, before, of_state);
  float sum = 0;
  for (int64_t t = rows - 1; t >= 0; --t) {
    sum += of_sum_[t];
    gradients_.log_decay[GateAt(first + t)] = sum;
  }
}

// The gradient of the writes: of what reads them in outputs and last state, minus what later rows
// of the chunk subtract from their own. From the last row up, since each depends on those below.
void HeadBackward::SolveBack(int64_t first, int64_t rows, const float* of_state) {
  const Matrix q = Keys(args_.q, first, rows), k = Keys(args_.k, first, rows);
  float *decay = pairs_[0].data(), *qk = pairs_[1].data(), *kk = pairs_[2].data();
  Multiply(q, k.Transposed(), qk, kChunk);
  Multiply(k, k.Transposed(), kk, kChunk);
  for (int64_t t = 0; t < rows; ++t) {
    float* row = decay + t * kChunk;
    ops_.exp_scaled(negative_, 1.0f, negative_[t], t + 1, row);
    std::fill(row + t + 1, row + rows, 0.0f);
    for (int64_t s = 0; s < rows; ++s) {
      qk[t * kChunk + s] *= row[s];
      kk[t * kChunk + s] *= s < t ? row[s] : 0.0f;
    }
  }
  const int64_t n = args_.value_dim;
  float *of_write = values_[1].data(), *scaled = values_[2].data();
  Multiply(Pairs(pairs_[1], rows).Transposed(), Values(kept_.out_gradient, first, rows), of_write,
           n);
  Multiply(Plain(keys_[0], rows, args_.key_dim), State(of_state), of_write, n, true);
  const Matrix residual = Values(kept_.residual, first, rows);
  for (int64_t t = rows - 1; t >= 0; --t) {
    const int64_t gate = GateAt(first + t);
    float* row = scaled + t * n;
    std::copy_n(of_write + t * n, n, row);
    ops_.scale(args_.beta[gate], n, row);
    gradients_.beta[gate] = Dot(of_write + t * n, residual.Row(t), n);
    std::copy_n(row, n, gradients_.v + ((first + t) * args_.value_heads + head_) * n);
    for (int64_t s = 0; s < t; ++s) {
      ops_.multiply_add(-kk[t * kChunk + s], row, n, of_write + s * n);
    }
  }
}

// What the products of rows with rows pass on to queries, keys and decays.
void HeadBackward::ReversePairs(int64_t first, int64_t rows) {
  const Matrix q = Keys(args_.q, first, rows), k = Keys(args_.k, first, rows);
  const Matrix writes = Plain(values_[0], rows, args_.value_dim).Transposed();
  const float* decay = pairs_[0].data();
  float *qk = pairs_[1].data(), *kk = pairs_[2].data(), *other = pairs_[3].data();
  // qk and kk make room for their gradients, kk's with both of its sides added.
  Multiply(Values(kept_.out_gradient, first, rows), writes, other, kChunk);
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t s = 0; s < rows; ++s) {
      const int64_t at = t * kChunk + s;
      const float product = other[at] * qk[at];
      of_sum_[t] += product;
      of_sum_[s] -= product;
      qk[at] = other[at] * decay[at];
    }
  }
  Multiply(Plain(values_[2], rows, args_.value_dim), writes, other, kChunk);
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t s = 0; s < t; ++s) {
      const int64_t at = t * kChunk + s;
      const float product = -other[at] * kk[at];
      of_sum_[t] += product;
      of_sum_[s] -= product;
      kk[at] = kk[s * kChunk + t] = -other[at] * decay[at];
    }
    kk[t * kChunk + t] = 0.0f;
  }
  const int64_t row = args_.key_heads * args_.key_dim;
  const int64_t at = first * row + key_head_ * args_.key_dim;
  Multiply(Pairs(pairs_[1], rows), k, gradients_.q + at, row, true);
  Multiply(Pairs(pairs_[1], rows).Transposed(), q, gradients_.k + at, row, true);
  Multiply(Pairs(pairs_[2], rows), k, gradients_.k + at, row, true);
}

// The same of the products with the states before and after the chunk.
void HeadBackward::ReverseStates(int64_t first, int64_t rows, const float* before,
                                 float* of_state) {
  const int64_t n = args_.key_dim;
  const Matrix q = Keys(args_.q, first, rows), k = Keys(args_.k, first, rows);
  const Matrix of_out = Values(kept_.out_gradient, first, rows);
  const Matrix of_read = Plain(values_[2], rows, args_.value_dim);
  float *of_q = keys_[0].data(), *of_k = keys_[1].data(), *of_end_k = keys_[2].data();
  Multiply(of_out, State(before).Transposed(), of_q, n);
  Multiply(of_read, State(before).Transposed(), of_k, n);
  Multiply(Plain(values_[0], rows, args_.value_dim), State(of_state).Transposed(), of_end_k, n);
  float at_end = since_start_[rows - 1] * Dot(of_state, before, state_);
  const int64_t row = args_.key_heads * n;
  for (int64_t t = 0; t < rows; ++t) {
    const int64_t at = (first + t) * row + key_head_ * n;
    const float reached = to_end_[t] * Dot(k.Row(t), of_end_k + t * n, n);
    of_sum_[t] +=
        since_start_[t] * (Dot(q.Row(t), of_q + t * n, n) - Dot(k.Row(t), of_k + t * n, n)) -
        reached;
    at_end += reached;
    ops_.multiply_add(since_start_[t], of_q + t * n, n, gradients_.q + at);
    ops_.multiply_add(-since_start_[t], of_k + t * n, n, gradients_.k + at);
    ops_.multiply_add(to_end_[t], of_end_k + t * n, n, gradients_.k + at);
  }
  of_sum_[rows - 1] += at_end;
  ops_.scale(since_start_[rows - 1], state_, of_state);
  ScaleRows(q, since_start_, keys_[0].data());
  Multiply(Plain(keys_[0], rows, n).Transposed(), of_out, of_state, args_.value_dim, true);
  float negative[kChunk];
  for (int64_t t = 0; t < rows; ++t) negative[t] = -since_start_[t];
  ScaleRows(k, negative, keys_[0].data());
  Multiply(Plain(keys_[0], rows, n).Transposed(), of_read, of_state, args_.value_dim, true);
}

}  // namespace

void DeltaRuleOverSegments(const SegmentDeltaRuleArgs& args, float* out, float* residual,
                           const Ops& ops, const ParallelTasks& parallel) {
  std::vector<std::vector<float>> states;
  std::vector<DeltaRun> roots, continuations;
  for (const SegmentFamily& family : Families(args.segments)) {
    DeltaRun root{family.root->first, family.root->length};
    if (!family.continuations.empty()) {
      states.emplace_back(static_cast<size_t>(args.state_floats()));
      root.after = states.back().data();
    }
    roots.push_back(root);
    for (const AttentionSegment* segment : family.continuations) {
      continuations.push_back({segment->first, segment->length, root.after, nullptr});
    }
  }
  const int64_t qk_row = args.key_heads * args.key_dim, v_row = args.value_heads * args.value_dim;
  for (const std::vector<DeltaRun>* runs : {&roots, &continuations}) {
    DeltaRule({args, *runs, args.q, args.k, qk_row, args.v, v_row, args.decay, args.beta,
               args.value_heads},
              {out, v_row, residual}, ops, parallel);
  }
}

void DeltaRuleOverSegmentsBackward(const SegmentDeltaRuleArgs& args, const DeltaRuleKept& kept,
                                   const DeltaRuleGradients& gradients, const Ops& ops,
                                   const ParallelTasks& parallel) {
  // Segments that add to one prefix, and value heads that add to one key head, are one task: no
  // locks, and one order.
  const std::vector<SegmentFamily> families = Families(args.segments);
  const auto count = static_cast<int64_t>(families.size());
  const int64_t group = args.value_heads / args.key_heads;
  parallel(count * args.key_heads, [&](int64_t task) {
    HeadBackward backward(args, kept, gradients, ops);
    const int64_t key_head = task % args.key_heads;
    for (int64_t head = key_head * group; head < (key_head + 1) * group; ++head) {
      backward.Run(families[static_cast<size_t>(task / args.key_heads)], head);
    }
  });
}

}  // namespace cohort::kernels
