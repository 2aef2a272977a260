#include "kernels/cpu/isa.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reference.h"

namespace cohort::kernels {
namespace {

TEST(Isa, EverySetOfThisCpuGivesTheScalarBits) {
  for (const Isa isa : AvailableIsas()) {
    EXPECT_TRUE(GivesSameBits(OpsFor(isa), ScalarOps())) << IsaName(isa);
  }
}

TEST(Isa, TheProbeNoticesAWrongOperation) {
  Ops wrong = ScalarOps();
  wrong.add = [](const float* x, int64_t n, float* y) {
    for (int64_t i = 0; i < n; ++i) y[i] = y[i] + x[i] + 1e-7f;
  };
  EXPECT_FALSE(GivesSameBits(wrong, ScalarOps()));
}

TEST(Isa, TheProbeNoticesPairsTakenInTheOtherOrder) {
  Ops wrong = ScalarOps();
  wrong.round_pairs = [](const float* even, const float* odd, int64_t n, uint32_t* out) {
    ScalarOps().round_pairs(odd, even, n, out);
  };
  EXPECT_FALSE(GivesSameBits(wrong, ScalarOps()));
}

TEST(Isa, RoundsToBf16ToTheNearestAndTiesToEven) {
  const std::vector<std::pair<float, uint16_t>> cases = {
      {1.0f, 0x3f80},      {0x1.01p0f, 0x3f80}, {0x1.03p0f, 0x3f82}, {0x1.010002p0f, 0x3f81},
      {-1.5f, 0xbfc0},     {3.4e38f, 0x7f80},   {INFINITY, 0x7f80},  {-INFINITY, 0xff80},
      {0x1p-126f, 0x80},   {0x1p-127f, 0x0000}, {-1e-40f, 0x8000},   {0.0f, 0x0000},
      {-0.0f, 0x8000},     {65504.0f, 0x4780},  {0.1f, 0x3dcd},      {NAN, 0x7fc0},
      {3.3895e38f, 0x7f7f}};
  std::vector<float> values;
  for (const auto& [value, bits] : cases) values.push_back(value);
  for (const Isa isa : AvailableIsas()) {
    std::vector<uint16_t> halves(cases.size());
    OpsFor(isa).round_bf16(values.data(), std::ssize(values), halves.data());
    for (size_t i = 0; i < cases.size(); ++i) {
      EXPECT_EQ(halves[i], cases[i].second) << values[i] << ", " << IsaName(isa);
    }
  }
}

TEST(Isa, RefusesASetThatTheCpuLacks) {
  const std::vector<Isa> available = AvailableIsas();
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx}) {
    const bool has = std::find(available.begin(), available.end(), isa) != available.end();
    if (has) {
      EXPECT_EQ(OpsFor(isa).isa, isa);
    } else {
      EXPECT_THROW(OpsFor(isa), std::invalid_argument);
    }
  }
}

TEST(Isa, ExponentialStaysWithinTwoUnitsInTheLastPlace) {
  for (const Isa isa : AvailableIsas()) {
    for (float x = -86.9f; x < 0.0f; x += 0.0137f) {
      float out = 0;
      OpsFor(isa).exp_scaled(&x, 1.0f, 0.0f, 1, &out);
      const double exact = std::exp(static_cast<double>(x));
      ASSERT_NEAR(out / exact, 1.0, 2.4e-7) << "x = " << x << ", " << IsaName(isa);
    }
  }
}

TEST(Isa, ExponentialOfVerySmallNumbersIsZero) {
  const std::vector<float> x = {-87.5f, -200.0f, -INFINITY};
  std::vector<float> out(3, 1.0f);
  BestOps().exp_scaled(x.data(), 1.0f, 0.0f, 3, out.data());
  EXPECT_EQ(out, (std::vector<float>{0.0f, 0.0f, 0.0f}));
}

// A soft cap of 1 is tanh itself.
TEST(Isa, HyperbolicTangentStaysWithinThreeUnitsInTheLastPlace) {
  std::vector<float> at = {1e-30f, 1e-6f, 0.3465f, 0.3467f, 9.01f, 19.99f, 20.01f, 88.0f, 1e30f};
  for (float x = 1e-4f; x < 12.0f; x += 0.00137f) at.push_back(x);
  for (const Isa isa : AvailableIsas()) {
    for (const float x : at) {
      float both[2] = {x, -x};
      OpsFor(isa).soft_cap(both, 1.0f, 1.0f, 2);
      const double exact = std::tanh(static_cast<double>(x));
      ASSERT_NEAR(both[0] / exact, 1.0, 3e-7) << "x = " << x << ", " << IsaName(isa);
      ASSERT_NEAR(both[1] / exact, -1.0, 3e-7) << "x = " << -x << ", " << IsaName(isa);
    }
    float special[4] = {NAN, INFINITY, -INFINITY, 0.0f};
    OpsFor(isa).soft_cap(special, 1.0f, 1.0f, 4);
    EXPECT_TRUE(std::isnan(special[0]));
    EXPECT_EQ(special[1], 1.0f);
    EXPECT_EQ(special[2], -1.0f);
    EXPECT_EQ(special[3], 0.0f);
  }
}

TEST(Isa, ASinkJoinsTheMaximumAndTheSumOfASoftmax) {
  for (const Isa isa : AvailableIsas()) {
    for (const int64_t n : {1, 16, 45}) {
      for (const float sink : {-30.0f, 0.25f, 6.0f, 200.0f}) {
        std::vector<float> x(static_cast<size_t>(n));
        for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(3 * i + 1));
        std::vector<double> weights;
        double sum = std::exp(static_cast<double>(sink));
        for (const float value : x) weights.push_back(std::exp(2.0 * static_cast<double>(value)));
        for (const double weight : weights) sum += weight;
        const SoftmaxSum found = OpsFor(isa).softmax_exp(x.data(), 2.0f, sink, n);
        EXPECT_NEAR(found.sink / found.total, std::exp(static_cast<double>(sink)) / sum, 2e-7);
        for (size_t i = 0; i < x.size(); ++i) {
          EXPECT_NEAR(x[i] / found.total, weights[i] / sum, 2e-7) << IsaName(isa) << ", " << sink;
        }
      }
    }
  }
}

// The unit's formula, in fp64.
double Gated(GatedUnit unit, double gate, double up) {
  if (unit == GatedUnit::kSwiGlu) return gate / (1 + std::exp(-gate)) * up;
  if (unit == GatedUnit::kGeGlu) {
    const double z = std::sqrt(2 / std::acos(-1.0)) * (gate + 0.044715 * gate * gate * gate);
    return 0.5 * gate * (1 + std::tanh(z)) * up;
  }
  const double g = std::min(gate, 7.0);
  return g / (1 + std::exp(-1.702 * g)) * (std::clamp(up, -7.0, 7.0) + 1);
}

TEST(Isa, GatedUnitsAndTheirGradientsAreThoseOfTheirFormulas) {
  std::vector<float> gates, ups;
  for (float x = -11.93f; x < 12.0f; x += 0.31f) {
    gates.push_back(x);
    ups.push_back(11.0f * std::sin(3 * x));
  }
  const auto n = std::ssize(gates);
  const std::vector<float> ones(gates.size(), 1.0f);
  std::vector<float> out(gates.size()), d_gate(out), d_up(out);
  for (const GatedUnit unit : {GatedUnit::kSwiGlu, GatedUnit::kGeGlu, GatedUnit::kClampedSwiGlu}) {
    for (const Isa isa : AvailableIsas()) {
      const GatedRow row{unit, gates.data(), ups.data(), n};
      OpsFor(isa).gated_unit(row, out.data());
      OpsFor(isa).gated_unit_gradient(row, ones.data(), d_gate.data(), d_up.data());
      for (size_t i = 0; i < gates.size(); ++i) {
        const auto g = static_cast<double>(gates[i]), u = static_cast<double>(ups[i]);
        // fp32 loses digits of 1 - sigmoid, and the slope is a multiple of up.
        const double h = 1e-6, bound = 3e-6 * (1 + std::abs(u));
        SCOPED_TRACE(testing::Message() << IsaName(isa) << ", " << g << ", " << u);
        const double value = Gated(unit, g, u);
        EXPECT_NEAR(out[i], value, 1e-6 + 2e-7 * std::abs(value));
        EXPECT_NEAR(d_gate[i], (Gated(unit, g + h, u) - Gated(unit, g - h, u)) / (2 * h), bound);
        EXPECT_NEAR(d_up[i], (Gated(unit, g, u + h) - Gated(unit, g, u - h)) / (2 * h), bound);
      }
    }
  }
}

TEST(Isa, AGatedUnitReadsGatesAndUpsInTurnAsItDoesPlainRows) {
  std::vector<float> panels(96), gates, ups, plain(40), turns(40);
  for (size_t i = 0; i < panels.size(); ++i) panels[i] = std::sin(static_cast<float>(3 * i + 1));
  for (size_t i = 0; i < 40; ++i) {
    gates.push_back(panels[i / 16 * 32 + i % 16]);
    ups.push_back(panels[i / 16 * 32 + i % 16 + 16]);
  }
  for (const GatedUnit unit : {GatedUnit::kSwiGlu, GatedUnit::kGeGlu, GatedUnit::kClampedSwiGlu}) {
    for (const Isa isa : AvailableIsas()) {
      OpsFor(isa).gated_unit({unit, gates.data(), ups.data(), 40}, plain.data());
      OpsFor(isa).gated_unit({unit, panels.data(), panels.data() + 16, 40, 32}, turns.data());
      EXPECT_EQ(plain, turns) << IsaName(isa);
    }
  }
}

TEST(Isa, LargestLogitIsNotFiniteWhenAnyLogitIsNot) {
  for (const Isa isa : AvailableIsas()) {
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
      for (int at = 0; at < 37; ++at) {
        std::vector<float> x(37, 0.5f);
        x[static_cast<size_t>(at)] = bad;
        EXPECT_FALSE(std::isfinite(OpsFor(isa).max_scaled(x.data(), 1.0f, 37)))
            << bad << " at " << at;
      }
    }
  }
}

void ExpectDotsInLanes(int64_t num_panels, const std::vector<int64_t>& counts) {
  constexpr int64_t kMostTokens = 32, kRows = 14;
  const int64_t depth = num_panels * 16;
  std::vector<float> a(static_cast<size_t>(kRows * depth)),
      w(static_cast<size_t>(kMostTokens * depth)), panels(w.size());
  for (size_t i = 0; i < a.size(); ++i) a[i] = std::sin(static_cast<float>(3 * i + 1));
  for (size_t i = 0; i < w.size(); ++i) w[i] = std::cos(static_cast<float>(5 * i + 2));
  for (int64_t token = 0; token < kMostTokens; ++token) {
    for (int64_t k = 0; k < depth; ++k) {
      panels[static_cast<size_t>((k / 16 * kMostTokens + token) * 16 + k % 16)] =
          w[static_cast<size_t>(token * depth + k)];
    }
  }
  for (const Isa isa : AvailableIsas()) {
    for (int64_t rows = 1; rows <= kRows; ++rows) {
      for (const int64_t tokens : counts) {
        std::vector<float> c(static_cast<size_t>(rows * tokens));
        OpsFor(isa).dot({.a = a.data(),
                         .lda = depth,
                         .rows = rows,
                         .panels = panels.data(),
                         .panel_stride = kMostTokens * 16,
                         .num_panels = num_panels,
                         .tokens = tokens,
                         .c = c.data(),
                         .ldc = tokens});
        EXPECT_EQ(c, ReferenceLaneProduct(a, w, rows, tokens, depth))
            << IsaName(isa) << ", " << rows << " rows, " << tokens << " tokens";
      }
    }
  }
}

TEST(Isa, DotEqualsTheSumInLanesWhateverItsRowsAndTokens) {
  ExpectDotsInLanes(3, {1, 2, 3, 4, 7, 8, 13, 32});
  ExpectDotsInLanes(520, {1, 5});
}

// Sums in 16 lanes whose chains have 256 terms, as ops.h defines them.
float LaneSum(const std::vector<float>& a, const std::vector<float>& b) {
  float lanes[16] = {};
  for (size_t first = 0; first < a.size(); first += 256 * 16) {
    float chains[16] = {};
    for (size_t i = first; i < std::min(first + 256 * 16, a.size()); ++i) {
      chains[i % 16] = std::fma(a[i], b[i], chains[i % 16]);
    }
    for (int lane = 0; lane < 16; ++lane) lanes[lane] += chains[lane];
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

TEST(Isa, SumsOverARowAreSumsOfChainsInLanes) {
  for (const size_t size : {45, 4096, 4097, 9000, 70'003}) {
    std::vector<float> x(size), e(size), z(size), p(size), normed(size);
    const std::vector<float> ones(size, 1.0f);
    for (size_t i = 0; i < size; ++i) x[i] = std::sin(static_cast<float>(3 * i + 1));
    const auto n = static_cast<int64_t>(size);
    for (const Isa isa : AvailableIsas()) {
      const Ops& ops = OpsFor(isa);
      SCOPED_TRACE(testing::Message() << IsaName(isa) << ", " << size);
      const float sum_of_e = ops.exp_scaled(x.data(), 0.7f, 1.5f, n, e.data());
      EXPECT_EQ(sum_of_e, LaneSum(e, ones));
      for (size_t i = 0; i < size; ++i) z[i] = x[i] / 0.7f - 1.5f;
      float sum, weighted_sum;
      ops.softmax_sums(x.data(), 0.7f, 1.5f, n, &sum, &weighted_sum);
      EXPECT_EQ(sum, LaneSum(e, ones));
      EXPECT_EQ(weighted_sum, LaneSum(z, e));
      p = x;
      const float total = ops.softmax_exp(p.data(), 2.0f, -INFINITY, n).total;
      EXPECT_EQ(total, LaneSum(p, ones));
      std::vector<float> gradient = x;
      e = p;
      const float mean = ops.softmax_gradient(e.data(), gradient.data(), total, 1.0f, n);
      EXPECT_EQ(mean, LaneSum(e, x));
      EXPECT_EQ(gradient[3], e[3] * (x[3] - mean));
      ops.rms_norm(x.data(), ones.data(), 1e-5f, n, normed.data());
      const float square = LaneSum(x, x) / static_cast<float>(size);
      EXPECT_EQ(normed[3], x[3] * (1.0f / std::sqrt(square + 1e-5f)));
    }
  }
}

TEST(Isa, RmsNormAgreesWithItsFormula) {
  const std::vector<float> x = {1.0f, -2.0f, 3.0f, 0.5f, -0.25f},
                           weight = {1.0f, 2.0f, -1.0f, 0.5f, 4.0f};
  double squares = 0;
  for (const float value : x) squares += static_cast<double>(value) * value;
  std::vector<float> out(5);
  BestOps().rms_norm(x.data(), weight.data(), 1e-5f, 5, out.data());
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(out[i], x[i] / std::sqrt(squares / 5 + 1e-5) * weight[i], 1e-6);
  }
}

}  // namespace
}  // namespace cohort::kernels
