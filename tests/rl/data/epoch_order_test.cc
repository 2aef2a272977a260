#include "rl/data/epoch_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace cohort::rl {
namespace {

std::vector<uint64_t> Epoch(EpochOrder* order, uint64_t size, uint64_t epoch) {
  std::vector<uint64_t> entries;
  for (uint64_t i = 0; i < size; ++i) entries.push_back(order->At(epoch * size + i));
  return entries;
}

TEST(EpochOrder, EveryEpochVisitsAllOnceInAnotherOrder) {
  EpochOrder order(50, 7);
  const auto first = Epoch(&order, 50, 0), second = Epoch(&order, 50, 1);
  EXPECT_NE(first, second);
  for (std::vector<uint64_t> entries : {first, second}) {
    std::sort(entries.begin(), entries.end());
    for (uint64_t i = 0; i < 50; ++i) EXPECT_EQ(entries[i], i);
  }
  EpochOrder other(50, 8);
  EXPECT_NE(Epoch(&other, 50, 0), first) << "another seed, another order";
}

TEST(EpochOrder, IsTheSameFromAnyPosition) {
  EpochOrder straight(7, 3);
  std::vector<uint64_t> all;
  for (uint64_t position = 0; position < 30; ++position) all.push_back(straight.At(position));
  for (uint64_t position = 30; position-- > 0;) {
    EpochOrder resumed(7, 3);
    EXPECT_EQ(resumed.At(position), all[position]) << position;
  }
}

TEST(EpochOrder, OrdersAreSpreadEvenly) {
  // Each of the 6 orders of 3 entries should open about a sixth of 6000 epochs (sigma is 29).
  std::map<std::vector<uint64_t>, int> seen;
  EpochOrder order(3, 1);
  for (uint64_t epoch = 0; epoch < 6000; ++epoch) ++seen[Epoch(&order, 3, epoch)];
  ASSERT_EQ(seen.size(), 6u);
  for (const auto& [entries, count] : seen) EXPECT_NEAR(count, 1000, 150);
}

}  // namespace
}  // namespace cohort::rl
