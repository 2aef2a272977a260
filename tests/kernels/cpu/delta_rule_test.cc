#include "kernels/cpu/delta_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/cpu/segment_delta_rule.h"
#include "tests/kernels/cpu/parallel_orders.h"

namespace cohort::kernels {
namespace {

// A pack with a prompt of 70 that three completions share, and two sequences; one row is of none.
const std::vector<AttentionSegment> kSegments = {{0, 70},         {70, 5, 0, 70}, {75, 130, 0, 70},
                                                 {205, 1, 0, 70}, {207, 64},      {271, 1}};
constexpr int64_t kRows = 272;

struct Pack {
  explicit Pack(const DeltaRuleShape& s) : shape(s) {
    const float unit = 1 / std::sqrt(static_cast<float>(s.key_dim));
    q = RandomNormal(kRows * s.key_heads * s.key_dim, 1, unit);
    k = RandomNormal(kRows * s.key_heads * s.key_dim, 2, unit);
    v = RandomNormal(kRows * s.value_heads * s.value_dim, 3);
    d_out = RandomNormal(kRows * s.value_heads * s.value_dim, 4);
    for (const float x : RandomNormal(kRows * s.value_heads, 5)) {
      log_decay.push_back(-0.3f * x * x);
      decay.push_back(std::exp(log_decay.back()));
    }
    for (const float x : RandomNormal(kRows * s.value_heads, 6))
      beta.push_back(1 / (1 + std::exp(x)));
  }

  SegmentDeltaRuleArgs args() const {
    return {shape, kSegments, q.data(), k.data(), v.data(), decay.data(), beta.data()};
  }
  DeltaRuleArgs ArgsOf(const std::vector<DeltaRun>& runs) const {
    return {shape,
            runs,
            q.data(),
            k.data(),
            shape.key_heads * shape.key_dim,
            v.data(),
            shape.value_heads * shape.value_dim,
            decay.data(),
            beta.data(),
            shape.value_heads};
  }

  DeltaRuleShape shape;
  std::vector<float> q, k, v, d_out, log_decay, decay, beta;
};

// out and residual, then the gradients of q, k, v, log_decay, beta.
std::vector<std::vector<float>> RunAll(const Pack& p, const Ops& ops,
                                       const ParallelTasks& parallel) {
  std::vector<std::vector<float>> r;
  for (const size_t size :
       {p.v.size(), p.v.size(), p.q.size(), p.k.size(), p.v.size(), p.beta.size(), p.beta.size()}) {
    r.emplace_back(size);
  }
  DeltaRuleOverSegments(p.args(), r[0].data(), r[1].data(), ops, parallel);
  DeltaRuleOverSegmentsBackward(p.args(), {p.log_decay.data(), r[1].data(), p.d_out.data()},
                                {r[2].data(), r[3].data(), r[4].data(), r[5].data(), r[6].data()},
                                ops, parallel);
  return r;
}

using Wide = std::vector<double>;

// One head's recurrence in fp64, row by row, and its gradients by the chain rule, backwards.
class WideHead {
 public:
  WideHead(const Pack& pack, int64_t head)
      : p_(pack),
        head_(head),
        n_(pack.shape.key_dim),
        m_(pack.shape.value_dim),
        key_head_(head / (pack.shape.value_heads / pack.shape.key_heads)) {}

  void Forward(const AttentionSegment& s, std::vector<Wide>* states, Wide* out) const {
    for (int64_t t = s.first; t < s.first + s.length; ++t) {
      Wide next = states->back();
      for (double& x : next) x *= Decay(t);
      for (int64_t j = 0; j < m_; ++j) {
        double known = 0, read = 0;
        for (int64_t i = 0; i < n_; ++i) known += K(t, i) * next[At(i, j)];
        const double write = Beta(t) * (V(t, j) - known);
        for (int64_t i = 0; i < n_; ++i) {
          next[At(i, j)] += K(t, i) * write;
          read += Q(t, i) * next[At(i, j)];
        }
        (*out)[VAt(t, j)] = read;
      }
      states->push_back(next);
    }
  }

  // `g`: the gradient of the last state, then of the first. d: of q, k, v, log_decay, beta.
  void Backward(const AttentionSegment& s, const std::vector<Wide>& states, Wide* g,
                std::vector<Wide>* d) const {
    for (int64_t t = s.first + s.length - 1; t >= s.first; --t) {
      const Wide& before = states[static_cast<size_t>(t - s.first)];
      const Wide& after = states[static_cast<size_t>(t - s.first + 1)];
      for (int64_t j = 0; j < m_; ++j) {
        double known = 0, of_write = 0;
        for (int64_t i = 0; i < n_; ++i) {
          (*g)[At(i, j)] += Q(t, i) * Out(t, j);
          (*d)[0][QAt(t, i)] += after[At(i, j)] * Out(t, j);
          known += K(t, i) * Decay(t) * before[At(i, j)];
        }
        const double residual = V(t, j) - known;
        for (int64_t i = 0; i < n_; ++i) {
          of_write += (*g)[At(i, j)] * K(t, i);
          (*d)[1][QAt(t, i)] += (*g)[At(i, j)] * Beta(t) * residual;
        }
        (*d)[4][GateAt(t)] += of_write * residual;
        (*d)[2][VAt(t, j)] += Beta(t) * of_write;
        for (int64_t i = 0; i < n_; ++i) {
          const double decayed = Decay(t) * before[At(i, j)];
          (*d)[1][QAt(t, i)] -= decayed * Beta(t) * of_write;
          (*g)[At(i, j)] -= K(t, i) * Beta(t) * of_write;
          (*d)[3][GateAt(t)] += (*g)[At(i, j)] * decayed;
          (*g)[At(i, j)] *= Decay(t);
        }
      }
    }
  }

  int64_t state_size() const { return n_ * m_; }

 private:
  size_t At(int64_t i, int64_t j) const { return static_cast<size_t>(i * m_ + j); }
  size_t QAt(int64_t t, int64_t i) const {
    return static_cast<size_t>((t * p_.shape.key_heads + key_head_) * n_ + i);
  }
  size_t VAt(int64_t t, int64_t j) const {
    return static_cast<size_t>((t * p_.shape.value_heads + head_) * m_ + j);
  }
  size_t GateAt(int64_t t) const { return static_cast<size_t>(t * p_.shape.value_heads + head_); }
  double Q(int64_t t, int64_t i) const { return static_cast<double>(p_.q[QAt(t, i)]); }
  double K(int64_t t, int64_t i) const { return static_cast<double>(p_.k[QAt(t, i)]); }
  double V(int64_t t, int64_t j) const { return static_cast<double>(p_.v[VAt(t, j)]); }
  double Out(int64_t t, int64_t j) const { return static_cast<double>(p_.d_out[VAt(t, j)]); }
  double Decay(int64_t t) const { return std::exp(static_cast<double>(p_.log_decay[GateAt(t)])); }
  double Beta(int64_t t) const { return static_cast<double>(p_.beta[GateAt(t)]); }

  const Pack& p_;
  int64_t head_, n_, m_, key_head_;
};

std::vector<Wide> WideResults(const Pack& p) {
  Wide out(p.v.size());
  std::vector<Wide> d = {Wide(p.q.size()), Wide(p.k.size()), Wide(p.v.size()), Wide(p.beta.size()),
                         Wide(p.beta.size())};
  for (int64_t head = 0; head < p.shape.value_heads; ++head) {
    const WideHead wide(p, head);
    for (const AttentionSegment& root : kSegments) {
      if (root.prefix_length > 0) continue;
      const Wide zeros(static_cast<size_t>(wide.state_size()));
      std::vector<Wide> states = {zeros};
      wide.Forward(root, &states, &out);
      Wide of_end = zeros;
      for (const AttentionSegment& s : kSegments) {
        if (s.prefix_length == 0 || s.prefix_first != root.first) continue;
        std::vector<Wide> own = {states.back()};
        wide.Forward(s, &own, &out);
        Wide of_state = zeros;
        wide.Backward(s, own, &of_state, &d);
        for (size_t i = 0; i < of_end.size(); ++i) of_end[i] += of_state[i];
      }
      wide.Backward(root, states, &of_end, &d);
    }
  }
  d.insert(d.begin(), out);
  return d;
}

void ExpectNear(const std::vector<float>& found, const Wide& expected, const char* what) {
  double largest = 0, scale = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(found[i]) - expected[i]));
    scale = std::max(scale, std::abs(expected[i]));
  }
  EXPECT_LT(largest, 3e-6 * std::max(1.0, scale)) << what;
}

// Heads that share keys; dimensions that are no multiple of 16, of 4, or of one another.
const std::vector<DeltaRuleShape> kShapes = {{2, 6, 24, 40}, {3, 3, 7, 5}, {1, 1, 64, 16}};

TEST(DeltaRule, EqualsTheRecurrenceInFp64AndItsGradients) {
  for (const DeltaRuleShape& shape : kShapes) {
    const Pack pack(shape);
    const auto found = RunAll(pack, BestOps(), OneByOne);
    const std::vector<Wide> expected = WideResults(pack);
    ExpectNear(found[0], expected[0], "out");
    const char* names[] = {"q", "k", "v", "log_decay", "beta"};
    for (size_t i = 0; i < 5; ++i) ExpectNear(found[i + 2], expected[i + 1], names[i]);
  }
}

TEST(DeltaRule, NeitherThreadsNorInstructionSetChangeABit) {
  for (const DeltaRuleShape& shape : kShapes) {
    const Pack pack(shape);
    const auto expected = RunAll(pack, OpsFor(Isa::kScalar), OneByOne);
    for (const Isa isa : AvailableIsas()) {
      EXPECT_EQ(RunAll(pack, OpsFor(isa), OnTwoThreadsBackwards), expected) << IsaName(isa);
    }
  }
}

TEST(DeltaRule, ASequenceInPiecesOrBesideOthersHasTheSameBits) {
  const Pack pack(kShapes[0]);
  const int64_t row = pack.shape.value_heads * pack.shape.value_dim;
  const auto expected = RunAll(pack, BestOps(), OneByOne)[0];
  const auto floats = static_cast<size_t>(pack.shape.state_floats());
  std::vector<float> state(floats), fork(floats), out(pack.v.size());
  const DeltaRuleOutput output{out.data(), row};
  // The prompt in pieces of 1, 60 and 9, the last one beside another sequence; then a completion
  // from a copy of the state, a token at a time.
  for (const auto& runs :
       std::vector<std::vector<DeltaRun>>{{{0, 1, nullptr, state.data()}},
                                          {{1, 60, state.data(), state.data()}},
                                          {{207, 64}, {61, 9, state.data(), state.data()}}}) {
    DeltaRule(pack.ArgsOf(runs), output, BestOps(), OneByOne);
  }
  DeltaRule(pack.ArgsOf({{70, 1, state.data(), fork.data()}}), output, BestOps(), OneByOne);
  for (int64_t t = 71; t < 75; ++t) {
    DeltaRule(pack.ArgsOf({{t, 1, fork.data(), fork.data()}}), output, BestOps(), OneByOne);
  }
  for (const auto& [first, end] : {std::pair<int64_t, int64_t>{0, 75}, {207, 271}}) {
    EXPECT_TRUE(std::equal(out.begin() + first * row, out.begin() + end * row,
                           expected.begin() + first * row));
  }
}

TEST(ConvSilu, WeighsTheRowsFromTheOldestOnAndAppliesSilu) {
  constexpr int64_t kWidth = 3, kChannels = 21;
  const std::vector<float> x = RandomNormal(kWidth * kChannels, 8),
                           w = RandomNormal(kWidth * kChannels, 9);
  const float* rows[kWidth] = {x.data(), x.data() + kChannels, x.data() + 2 * kChannels};
  std::vector<float> out(kChannels);
  BestOps().conv_silu(rows, w.data(), kWidth, kChannels, out.data());
  for (size_t c = 0; c < kChannels; ++c) {
    double sum = 0;
    for (size_t j = 0; j < kWidth; ++j) {
      sum += static_cast<double>(x[j * kChannels + c]) * static_cast<double>(w[j * kChannels + c]);
    }
    EXPECT_NEAR(out[c], sum / (1 + std::exp(-sum)), 2e-6) << c;
  }
}

}  // namespace
}  // namespace cohort::kernels
