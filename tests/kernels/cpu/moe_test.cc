#include "kernels/cpu/moe.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/reference.h"

namespace cohort::kernels {
namespace {

class RoutedExpertsTest : public testing::Test {
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

  std::vector<float> Run(Isa isa, int threads, int64_t rows) const {
    std::vector<float> out(residual_.begin(), residual_.begin() + rows * kPadded);
    ThreadPool pool(threads);
    MoeScratch scratch;
    RoutedExperts(pool, OpsFor(isa),
                  {.gate_up = &gate_up_,
                   .down = &down_,
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
        const std::vector<float> y = ReferenceFfn(x, both_[e], last_[e], kWidth, kExpertWidth);
        for (size_t d = 0; d < sum.size(); ++d) sum[d] = std::fma(weights_[slot], y[d], sum[d]);
      }
      for (size_t d = 0; d < sum.size(); ++d) {
        const auto at = static_cast<size_t>(row * kPadded) + d;
        out[at] = out[at] + (sum[d] + shared_[at]);
      }
    }
    return out;
  }

  std::vector<std::vector<float>> both_, last_;
  PackedMatrix gate_up_, down_;
  std::vector<float> x_, residual_, shared_, weights_;
  std::vector<int32_t> experts_;
};

TEST_F(RoutedExpertsTest, EqualTheReferenceBitForBitWhateverTheBatchThreadsAndInstructionSet) {
  for (const Isa isa : AvailableIsas()) {
    for (const int threads : {1, 2, 3}) {
      for (const int64_t rows : {1, 2, 7, 41}) {
        EXPECT_EQ(Run(isa, threads, rows), Expected(rows))
            << IsaName(isa) << ", " << threads << " threads, " << rows;
      }
    }
  }
}

TEST_F(RoutedExpertsTest, RefuseAnExpertThatDoesNotExist) {
  experts_[3] = 5;
  EXPECT_THROW(Run(Isa::kScalar, 1, kRows), std::invalid_argument);
}

}  // namespace
}  // namespace cohort::kernels
