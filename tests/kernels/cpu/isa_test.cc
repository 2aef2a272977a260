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

TEST(Isa, RefusesASetThatTheCpuLacks) {
  const std::vector<Isa> available = AvailableIsas();
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
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
      const float total = ops.softmax_exp(p.data(), 2.0f, n);
      EXPECT_EQ(total, LaneSum(p, ones));
      std::vector<float> gradient = x;
      e = p;
      ops.softmax_gradient(e.data(), gradient.data(), total, 1.0f, n);
      EXPECT_EQ(gradient[3], e[3] * (x[3] - LaneSum(e, x)));
      ops.rms_norm(x.data(), ones.data(), 1e-5f, n, normed.data());
      const float mean = LaneSum(x, x) / static_cast<float>(size);
      EXPECT_EQ(normed[3], x[3] * (1.0f / std::sqrt(mean + 1e-5f)));
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
