#include "kernels/cpu/moe.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/reference.h"

namespace cohort::kernels {
namespace {

struct UnitCase {
  GatedUnit unit;
  bool biases;
};

class RoutedExpertsTest : public testing::TestWithParam<UnitCase> {
 protected:
  static constexpr int64_t kWidth = 24, kExpertWidth = 20, kExperts = 5, kPicks = 2, kRows = 41;
  static constexpr int64_t kPadded = 32;  // PadToPanel of both widths

  RoutedExpertsTest()
      : gate_up_(kExperts * 2 * kPadded, kWidth, Storage::kFloat32),
        down_(kExperts * kPadded, kPadded, Storage::kFloat32) {
    std::mt19937 generator(11);
    std::normal_distribution<float> normal;
    const auto fill = [&](int64_t n) {
      std::vector<float> values(static_cast<size_t>(n));
      for (float& value : values) value = normal(generator);
      return values;
    };
    for (int64_t e = 0; e < kExperts; ++e) {
      both_.push_back(fill(2 * kExpertWidth * kWidth));
      last_.push_back(fill(kWidth * kExpertWidth));
      both_bias_.push_back(fill(2 * kExpertWidth));
      last_bias_.push_back(fill(kWidth));
      for (int64_t panel = 0; panel < 2; ++panel) {
        const int64_t count = std::min<int64_t>(16, kExpertWidth - panel * 16);
        const float* gate = both_.back().data() + panel * 16 * kWidth;
        gate_up_.PackPanel(e * 4 + 2 * panel, gate, kWidth, count, kWidth);
        gate_up_.PackPanel(e * 4 + 2 * panel + 1, gate + kExpertWidth * kWidth, kWidth, count,
                           kWidth);
        down_.PackPanel(e * 2 + panel, last_.back().data() + panel * 16 * kExpertWidth,
                        kExpertWidth, std::min<int64_t>(16, kWidth - panel * 16), kExpertWidth);
      }
    }
    x_ = fill(kRows * kWidth);
    residual_ = fill(kRows * kPadded);
    shared_ = fill(kRows * kPadded);
    for (int64_t i = 0; i < kRows; ++i) {
      const auto first =
          static_cast<int32_t>(generator() % 3);  // expert 4 goes unused, 0 is crowded
      experts_.insert(experts_.end(), {first == 2 ? 3 : 0, first == 1 ? 2 : 1});
      weights_.insert(weights_.end(), {0.7f, 0.45f});
    }
  }

  // The kernel's layout of one expert's biases after another's: gates and ups in turn.
  std::vector<float> PackedGateUpBias() const {
    std::vector<float> packed;
    for (const std::vector<float>& bias : both_bias_) {
      for (int64_t i = 0; i < 2 * kPadded; ++i) {
        const int64_t from = i / 32 * 16 + i % 16;
        const bool up = i / 16 % 2 == 1;
        packed.push_back(
            from < kExpertWidth ? bias[static_cast<size_t>(from + (up ? kExpertWidth : 0))] : 0.0f);
      }
    }
    return packed;
  }
  std::vector<float> PackedDownBias() const {
    std::vector<float> packed;
    for (const std::vector<float>& bias : last_bias_) {
      packed.insert(packed.end(), bias.begin(), bias.end());
      packed.resize(packed.size() + kPadded - kWidth, 0.0f);
    }
    return packed;
  }

  std::vector<float> Run(Isa isa, int threads, int64_t rows) const {
    std::vector<float> out(residual_.begin(), residual_.begin() + rows * kPadded);
    ThreadPool pool(threads);
    MoeScratch scratch;
    const std::vector<float> both_bias = PackedGateUpBias(), last_bias = PackedDownBias();
    RoutedExperts(pool, OpsFor(isa),
                  {.gate_up = &gate_up_,
                   .down = &down_,
                   .unit = GetParam().unit,
                   .gate_up_bias = GetParam().biases ? both_bias.data() : nullptr,
                   .down_bias = GetParam().biases ? last_bias.data() : nullptr,
                   .num_experts = kExperts,
                   .experts_per_token = kPicks,
                   .x = x_.data(),
                   .ldx = kWidth,
                   .rows = rows,
                   .width = kWidth,
                   .experts = experts_.data(),
                   .weights = weights_.data(),
                   .shared = shared_.data(),
                   .residual = out.data(),
                   .ld_out = kPadded},
                  scratch);
    return out;
  }

  std::vector<float> Expected(int64_t rows) const {
    std::vector<float> out(residual_.begin(), residual_.begin() + rows * kPadded);
    for (int64_t row = 0; row < rows; ++row) {
      const std::vector<float> x(x_.begin() + row * kWidth, x_.begin() + (row + 1) * kWidth);
      std::vector<float> sum(kWidth, 0.0f);
      for (int64_t k = 0; k < kPicks; ++k) {
        const auto slot = static_cast<size_t>(row * kPicks + k);
        const auto e = static_cast<size_t>(experts_[slot]);
        ReferenceFfn expert{.width = kWidth,
                            .ffn_width = kExpertWidth,
                            .gate_up = both_[e],
                            .down = last_[e],
                            .unit = GetParam().unit};
        if (GetParam().biases) expert.gate_up_bias = both_bias_[e];
        if (GetParam().biases) expert.down_bias = last_bias_[e];
        const std::vector<float> y = expert(x);
        for (size_t d = 0; d < sum.size(); ++d) sum[d] = std::fma(weights_[slot], y[d], sum[d]);
      }
      for (size_t d = 0; d < sum.size(); ++d) {
        const auto at = static_cast<size_t>(row * kPadded) + d;
        out[at] = out[at] + (sum[d] + shared_[at]);
      }
    }
    return out;
  }

  std::vector<std::vector<float>> both_, last_, both_bias_, last_bias_;
  PackedMatrix gate_up_, down_;
  std::vector<float> x_, residual_, shared_, weights_;
  std::vector<int32_t> experts_;
};

INSTANTIATE_TEST_SUITE_P(Units, RoutedExpertsTest,
                         testing::Values(UnitCase{GatedUnit::kSwiGlu, false},
                                         UnitCase{GatedUnit::kGeGlu, false},
                                         UnitCase{GatedUnit::kSwiGlu, true},
                                         UnitCase{GatedUnit::kClampedSwiGlu, true}));

TEST_P(RoutedExpertsTest, EqualTheReferenceBitForBitWhateverTheBatchThreadsAndInstructionSet) {
  for (const Isa isa : AvailableIsas()) {
    for (const int threads : {1, 2, 3}) {
      for (const int64_t rows : {1, 2, 7, 41}) {
        EXPECT_EQ(Run(isa, threads, rows), Expected(rows))
            << IsaName(isa) << ", " << threads << " threads, " << rows;
      }
    }
  }
}

TEST_P(RoutedExpertsTest, RefuseAnExpertThatDoesNotExist) {
  experts_[3] = 5;
  EXPECT_THROW(Run(Isa::kScalar, 1, kRows), std::invalid_argument);
}

}  // namespace
}  // namespace cohort::kernels
