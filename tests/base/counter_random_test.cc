#include "base/counter_random.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cohort::base {
namespace {

using Words = std::array<uint32_t, 4>;

// Known answers of the authors' Random123 1.14 (kat_vectors, philox4x32 10).
TEST(Philox, GivesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, EveryPartOfTheKeyChangesTheDraw) {
  const double draw = UniformDraw(1, 2, 3);
  EXPECT_EQ(draw, UniformDraw(1, 2, 3));
  for (const uint64_t bit : {uint64_t{1} << 5, uint64_t{1} << 40}) {
    EXPECT_NE(draw, UniformDraw(1 + bit, 2, 3));
    EXPECT_NE(draw, UniformDraw(1, 2 + bit, 3));
    EXPECT_NE(draw, UniformDraw(1, 2, 3 + bit));
  }
}

TEST(Philox, DrawsFillTheUnitIntervalEvenly) {
  std::array<int, 20> counts{};
  const int draws = 40000;
  for (int i = 0; i < draws; ++i) {
    const double u = UniformDraw(7, static_cast<uint64_t>(i % 100), static_cast<uint64_t>(i / 100));
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    ++counts[static_cast<size_t>(u * 20)];
  }
  double chi_square = 0;
  for (const int count : counts) chi_square += std::pow(count - draws / 20.0, 2) / (draws / 20.0);
  EXPECT_LT(chi_square, 43.8);  // 19 degrees of freedom, probability 0.001
}

TEST(CounterRandom, DrawsAreWordsOfPhiloxByNumberStreamAndIndex) {
  CounterRandom random(/*seed=*/uint64_t{7} << 32 | 5, /*stream=*/3,
                       /*index=*/uint64_t{9} << 32 | 11);
  for (uint32_t n = 0; n < 3; ++n) {
    const Words words = Philox4x32({n, 3, 11, 9}, {5, 7});
    EXPECT_EQ(random.Next(), uint64_t{words[0]} << 32 | words[1]);
  }
}

TEST(CounterRandom, UniformMeetsEveryValueAboutEquallyOften) {
  std::array<int, 7> counts{};
  CounterRandom random(1, 1, 0);
  for (int i = 0; i < 70000; ++i) ++counts.at(static_cast<size_t>(random.Uniform(-3, 3) + 3));
  double chi_square = 0;
  for (const int count : counts) chi_square += std::pow(count - 10000.0, 2) / 10000.0;
  EXPECT_LT(chi_square, 22.5);  // 6 degrees of freedom, probability 0.001
}

}  // namespace
}  // namespace cohort::base
