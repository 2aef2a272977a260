#include "rl/learner/ranks.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "base/error.h"
#include "tests/fakes/fake_ranks.h"

namespace cohort::rl {
namespace {

TEST(Ranks, OneRankKeepsWhatItHas) {
  OneRank one;
  const at::Tensor tensor = at::full({2}, 3.0);
  std::vector<double> values = {1, 2};
  one.SumTensors({tensor});
  one.SumValues(values);
  one.MaxValues(values);
  one.Barrier(std::chrono::milliseconds(0));
  EXPECT_TRUE(tensor.equal(at::full({2}, 3.0)));
  EXPECT_EQ(values, (std::vector<double>{1, 2}));
  EXPECT_EQ(one.Broadcast("bytes"), "bytes");
  EXPECT_EQ(one.world(), 1);
}

TEST(Ranks, FakesExchangeWhatEachGives) {
  FakeRanks(3).Run([](const std::shared_ptr<Ranks>& ranks) {
    const int rank = ranks->rank();
    for (int round = 0; round < 20; ++round) {
      const at::Tensor tensor = at::full({2, 2}, static_cast<float>(rank + round));
      ranks->SumTensors({tensor});
      EXPECT_TRUE(tensor.equal(at::full({2, 2}, static_cast<float>(3 + 3 * round))));
      std::vector<double> values = {1, static_cast<double>(rank)};
      ranks->SumValues(values);
      EXPECT_EQ(values, (std::vector<double>{3, 3}));
      values = {-1.0 * rank};
      ranks->MaxValues(values);
      EXPECT_EQ(values[0], 0);
      EXPECT_EQ(ranks->Broadcast("rank " + std::to_string(rank)), "rank 0");
      ranks->Barrier(std::chrono::seconds(60));
    }
  });
}

// (1 + 1e8) - 1e8 and 1 + (1e8 - 1e8) differ in fp32.
TEST(Ranks, FakesAddInTheOrderOfTheRanks) {
  const std::vector<float> parts = {1, 1e8, -1e8};
  FakeRanks(3).Run([&](const std::shared_ptr<Ranks>& ranks) {
    const at::Tensor tensor = at::full({1}, parts[static_cast<size_t>(ranks->rank())]);
    ranks->SumTensors({tensor});
    EXPECT_EQ(tensor.item<float>(), 0.0F);
  });
}

TEST(Ranks, ARankThatLeavesEndsTheOthersAtTheDeadline) {
  FakeRanks ranks(2, std::chrono::milliseconds(50));
  std::string seen;
  EXPECT_THROW(ranks.Run([&](const std::shared_ptr<Ranks>& own) {
    if (own->rank() == 0) throw std::runtime_error("rank 0 is out of memory");
    try {
      own->Barrier(std::chrono::milliseconds(50));
    } catch (const Error& error) {
      seen = error.what();
    }
  }),
               std::runtime_error);
  EXPECT_EQ(seen, "a learner rank did not come before the deadline");
}

}  // namespace
}  // namespace cohort::rl
