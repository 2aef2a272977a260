#include "kernels/cpu/adamw.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/cpu/parallel_orders.h"

namespace cohort::kernels {
namespace {

float OfBf16(uint16_t half) { return std::bit_cast<float>(uint32_t{half} << 16); }

std::vector<uint16_t> Upper(const std::vector<float>& values) {
  std::vector<uint16_t> halves;
  for (const float value : values) {
    halves.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
  }
  return halves;
}

// A tensor with its moments, fp32 or bf16, in rows padded to 16.
struct Trained {
  std::vector<float> parameter, gradient, exp_avg, exp_avg_sq;
  std::vector<uint16_t> exp_avg_half, exp_avg_sq_half;
  std::vector<uint16_t> parameter_half, gradient_half;

  explicit Trained(int64_t count, uint32_t seed)
      : parameter(RandomNormal(count, seed)),
        gradient(RandomNormal(count, seed + 1)),
        exp_avg(static_cast<size_t>((count + 15) / 16 * 16)),
        exp_avg_sq(exp_avg),
        exp_avg_half(exp_avg.size()),
        exp_avg_sq_half(exp_avg.size()),
        parameter_half(Upper(parameter)),
        gradient_half(Upper(gradient)) {}

  AdamWTensor In(bool bf16, int64_t first, double weight_decay) {
    return {parameter.data(),
            gradient.data(),
            bf16 ? static_cast<void*>(exp_avg_half.data()) : exp_avg.data(),
            bf16 ? static_cast<void*>(exp_avg_sq_half.data()) : exp_avg_sq.data(),
            std::ssize(parameter),
            first,
            weight_decay};
  }
  AdamWTensor WithoutMaster(bool bf16, int64_t first, double weight_decay) {
    AdamWTensor tensor = In(bf16, first, weight_decay);
    tensor.parameter = parameter_half.data();
    tensor.gradient = gradient_half.data();
    tensor.bf16_parameter = true;
    return tensor;
  }
  bool operator==(const Trained&) const = default;
};

std::vector<Trained> SomeTensors() {
  std::vector<Trained> tensors;
  for (const int64_t count : {1, 15, 16, 17, 64, 100, 32768, 70001}) {
    tensors.emplace_back(count, static_cast<uint32_t>(count));
  }
  return tensors;
}

// Two steps of all tensors, which draw one after the other.
std::vector<Trained> Step(std::vector<Trained> tensors, bool bf16, const Ops& ops,
                          const ParallelTasks& parallel, bool masters = true) {
  std::vector<AdamWTensor> raw;
  int64_t first = 0;
  for (Trained& tensor : tensors) {
    const double decay = static_cast<double>(first % 3) * 0.1;
    raw.push_back(masters ? tensor.In(bf16, first, decay)
                          : tensor.WithoutMaster(bf16, first, decay));
    first += (std::ssize(tensor.parameter) + kDrawBlock - 1) / kDrawBlock * kDrawBlock;
  }
  AdamWRule rule{.gradient_scale = 0.3, .learning_rate = 0.01, .bf16_moments = bf16};
  for (rule.step = 1; rule.step <= 2; ++rule.step) StepAdamW(raw, rule, ops, parallel);
  return tensors;
}

TEST(AdamWKernel, StepsAreTheFormulaToRounding) {
  for (const Isa isa : AvailableIsas()) {
    Trained tensor(1000, 1);
    std::vector<double> p(tensor.parameter.begin(), tensor.parameter.end()), m(1000), v(1000);
    const AdamWTensor raw = tensor.In(false, 0, 0.3);
    AdamWRule rule{.gradient_scale = 0.4, .learning_rate = 0.02, .beta2 = 0.999};
    for (rule.step = 1; rule.step <= 5; ++rule.step) {
      StepAdamW({&raw, 1}, rule, OpsFor(isa), OneByOne);
      const auto t = static_cast<double>(rule.step);
      for (size_t i = 0; i < 1000; ++i) {
        const double g = 0.4 * static_cast<double>(tensor.gradient[i]);
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        const double root = std::sqrt(v[i] / (1 - std::pow(0.999, t)));
        p[i] = p[i] * (1 - 0.02 * 0.3) - 0.02 * m[i] / (1 - std::pow(0.9, t)) / (root + 1e-8);
        ASSERT_NEAR(tensor.parameter[i], p[i], 2e-6) << "element " << i << " of step " << t;
        ASSERT_NEAR(tensor.exp_avg[i], m[i], 1e-7);
        ASSERT_NEAR(tensor.exp_avg_sq[i], v[i], 1e-7 * (1 + v[i]));
      }
    }
  }
}

TEST(AdamWKernel, NeitherThreadsNorNeighboursNorTheInstructionSetChangeABit) {
  for (const bool bf16 : {false, true}) {
    for (const bool masters : {false, true}) {
      const std::vector<Trained> tensors = SomeTensors();
      const Ops& scalar = OpsFor(Isa::kScalar);
      const std::vector<Trained> expected = Step(tensors, bf16, scalar, OneByOne, masters);
      EXPECT_NE(expected.back(), tensors.back());
      EXPECT_EQ(Step({tensors.front()}, bf16, scalar, OneByOne, masters).front(), expected.front());
      for (const Isa isa : AvailableIsas()) {
        EXPECT_EQ(Step(tensors, bf16, OpsFor(isa), OnTwoThreadsBackwards, masters), expected)
            << IsaName(isa);
      }
    }
  }
}

// What it is between is the step of the same numbers in single precision.
TEST(AdamWKernel, AParameterWithoutMasterIsRoundedToANeighbourOfItsStep) {
  Trained tensor(70001, 7);
  for (size_t i = 0; i < tensor.parameter.size(); ++i) {
    tensor.parameter[i] = OfBf16(tensor.parameter_half[i]);
    tensor.gradient[i] = OfBf16(tensor.gradient_half[i]);
  }
  Trained exact = tensor;
  const AdamWTensor raw = tensor.WithoutMaster(false, 0, 0.1), wide = exact.In(false, 0, 0.1);
  const AdamWRule rule{.gradient_scale = 0.4, .learning_rate = 0.003};
  StepAdamW({&raw, 1}, rule, BestOps(), OneByOne);
  StepAdamW({&wide, 1}, rule, BestOps(), OneByOne);
  EXPECT_EQ(tensor.exp_avg, exact.exp_avg);
  EXPECT_EQ(tensor.exp_avg_sq, exact.exp_avg_sq);
  int up = 0;
  double expected = 0, variance = 0;
  for (size_t i = 0; i < exact.parameter.size(); ++i) {
    const auto below = static_cast<uint16_t>(std::bit_cast<uint32_t>(exact.parameter[i]) >> 16);
    const int off = tensor.parameter_half[i] - below;  // away from 0
    ASSERT_TRUE(off == 0 || off == 1) << i;
    up += off;
    const double share = (std::bit_cast<uint32_t>(exact.parameter[i]) & 0xffff) / 65536.0;
    expected += share;
    variance += share * (1 - share);
  }
  EXPECT_NEAR(up, expected, 5 * std::sqrt(variance));
}

// A step of 0.001 is a quarter of the distance from 1 to the next lower bf16, 1 - 1/256.
TEST(AdamWKernel, ParametersWithoutMastersMoveOnByStepsThatTheyCannotHold) {
  constexpr int64_t kCount = 1 << 14;
  Trained tensor(kCount, 8);
  std::fill(tensor.parameter_half.begin(), tensor.parameter_half.end(), uint16_t{0x3f80});
  std::fill(tensor.gradient_half.begin(), tensor.gradient_half.end(), uint16_t{0x3f80});
  const AdamWTensor raw = tensor.WithoutMaster(true, 0, 0);
  AdamWRule rule{.learning_rate = 0.001, .bf16_moments = true};
  for (rule.step = 1; rule.step <= 20; ++rule.step) {
    StepAdamW({&raw, 1}, rule, BestOps(), OneByOne);
  }
  double mean = 0;
  for (const uint16_t half : tensor.parameter_half) mean += OfBf16(half) / kCount;
  EXPECT_NEAR(mean, 0.98, 0.0005);
}

// To the nearest, the sum would stay at 256.
TEST(AdamWKernel, SumsOfGradientsInBf16TakeWhatTheyCannotHold) {
  constexpr int64_t kCount = 4099;
  const std::vector<uint16_t> ones(kCount, 0x3f80);
  std::vector<uint16_t> expected;
  for (const Isa isa : AvailableIsas()) {
    std::vector<uint16_t> sum(kCount);
    const Bf16Sum raw = {sum.data(), ones.data(), kCount, 64};
    for (uint64_t i = 0; i < 1000; ++i) {
      AddToBf16({&raw, 1}, 1, i, OpsFor(isa), OnTwoThreadsBackwards);
    }
    double mean = 0;
    for (const uint16_t half : sum) mean += OfBf16(half) / kCount;
    EXPECT_NEAR(mean, 1000, 2);
    if (expected.empty()) expected = sum;
    EXPECT_EQ(sum, expected) << IsaName(isa);
  }
}

TEST(AdamWKernel, TheRoomBehindTheMomentsStaysZero) {
  for (const Trained& tensor : Step(SomeTensors(), true, BestOps(), OneByOne)) {
    for (size_t i = tensor.parameter.size(); i < tensor.exp_avg_half.size(); ++i) {
      EXPECT_EQ(tensor.exp_avg_half[i], 0);
      EXPECT_EQ(tensor.exp_avg_sq_half[i], 0);
    }
  }
}

// Random123's known answer for Philox4x32-10 of counter 0 and key 0 (kat_vectors).
TEST(AdamWKernel, DrawsArePhilox) {
  const uint32_t words[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  for (const Isa isa : AvailableIsas()) {
    Trained tensor(64, 3);
    const AdamWTensor raw = tensor.In(true, 0, 0);
    StepAdamW({&raw, 1}, {.step = 0, .bf16_moments = true}, OpsFor(isa), OneByOne);
    for (size_t w = 0; w < 4; ++w) {
      const float g = tensor.gradient[16 * w];
      const float m = static_cast<float>(1 - 0.9) * g, v = static_cast<float>(1 - 0.95) * g * g;
      EXPECT_EQ(tensor.exp_avg_half[16 * w],
                (std::bit_cast<uint32_t>(m) + (words[w] & 0xffff)) >> 16);
      EXPECT_EQ(tensor.exp_avg_sq_half[16 * w],
                (std::bit_cast<uint32_t>(v) + (words[w] >> 16)) >> 16);
    }
  }
}

// 1 + 0.3 / 128 lies between the neighbours 1 and 1 + 1 / 128; a negative number mirrors it.
TEST(AdamWKernel, RoundingIsToANeighbourWithTheRightMean) {
  constexpr int64_t kCount = 1 << 16;
  for (const float sign : {1.0f, -1.0f}) {
    Trained tensor(kCount, 4);
    const float value = 1 + 0.3f / 128;
    std::fill(tensor.gradient.begin(), tensor.gradient.end(), sign * value);
    const AdamWTensor raw = tensor.In(true, 0, 0);
    StepAdamW({&raw, 1}, {.beta1 = 0, .beta2 = 0, .bf16_moments = true}, BestOps(), OneByOne);
    for (const bool square : {false, true}) {
      const double exact = square ? value * value : sign * value;
      double sum = 0;
      for (const uint16_t half : square ? tensor.exp_avg_sq_half : tensor.exp_avg_half) {
        ASSERT_LT(std::abs(OfBf16(half) - exact), 1.0 / 128);
        sum += OfBf16(half);
      }
      // Five times the deviation of a mean of draws that are at most 1 / 128 apart.
      EXPECT_NEAR(sum / kCount, exact, 5 * 0.5 / 128 / std::sqrt(kCount));
    }
    for (const auto* stored : {&tensor.exp_avg_half, &tensor.exp_avg_sq_half}) {
      EXPECT_FALSE(std::equal(stored->begin() + kCount / 2, stored->end(), stored->begin()))
          << "each element draws for itself";
    }
  }
}

// To the nearest, the average of squares would stand still near 1/4: a step moves it by less than
// half the distance to the next bf16.
TEST(AdamWKernel, AverageInBf16MovesOnByStepsThatItCannotHold) {
  Trained tensor(4096, 5);
  std::fill(tensor.gradient.begin(), tensor.gradient.end(), 1.0f);
  const AdamWTensor raw = tensor.In(true, 0, 0);
  AdamWRule rule{.beta2 = 0.999, .bf16_moments = true};
  for (rule.step = 1; rule.step <= 2000; ++rule.step)
    StepAdamW({&raw, 1}, rule, BestOps(), OneByOne);
  double mean = 0;
  for (const uint16_t half : tensor.exp_avg_sq_half) mean += OfBf16(half) / 4096;
  EXPECT_NEAR(mean, 1 - std::pow(0.999, 2000), 0.003);
}

TEST(AdamWKernel, SquareSumsAreExactToDoublePrecisionWhateverTheSize) {
  const std::vector<float> plain = RandomNormal(70001, 6), huge(100, 1e25f), tiny(33, 1e-30f),
                           empty, threes(17, 3.0f);
  const std::vector<uint16_t> halves = Upper(plain);
  std::vector<GradientValues> all;
  for (const auto* values : {&plain, &huge, &tiny, &empty, &threes}) {
    all.push_back({values->data(), std::ssize(*values)});
  }
  all.push_back({halves.data(), std::ssize(halves), /*bf16=*/true});
  double expected = 0;
  for (const float x : plain) expected += static_cast<double>(x) * static_cast<double>(x);
  const auto square = [](float x) { return static_cast<double>(x) * static_cast<double>(x); };
  const std::vector<double> scalar = SquareSums(all, OpsFor(Isa::kScalar), OneByOne);
  EXPECT_NEAR(scalar[0] / expected, 1, 1e-12);
  EXPECT_NEAR(scalar[1] / (100 * square(1e25f)), 1, 1e-12);
  EXPECT_NEAR(scalar[2] / (33 * square(1e-30f)), 1, 1e-12);
  EXPECT_EQ(scalar[3], 0);
  EXPECT_EQ(scalar[4], 17 * 9);
  double of_halves = 0;
  for (const uint16_t half : halves) of_halves += square(OfBf16(half));
  EXPECT_NEAR(scalar[5] / of_halves, 1, 1e-12);
  for (const Isa isa : AvailableIsas()) {
    EXPECT_EQ(SquareSums(all, OpsFor(isa), OnTwoThreadsBackwards), scalar) << IsaName(isa);
  }
}

TEST(AdamWKernel, ASquareSumShowsAnyElementThatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    for (const size_t at : {0, 31, 32, 40}) {
      std::vector<float> x(41, 1.0f);
      x[at] = bad;
      const GradientValues row = {x.data(), std::ssize(x)};
      EXPECT_FALSE(std::isfinite(SquareSums({&row, 1}, BestOps(), OneByOne)[0]));
    }
  }
}

}  // namespace
}  // namespace cohort::kernels
