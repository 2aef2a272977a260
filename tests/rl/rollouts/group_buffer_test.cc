#include "rl/rollouts/group_buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"

namespace cohort::rl {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

EpisodeGroup Group(uint64_t id) { return {id, nullptr, {}}; }

std::vector<uint64_t> Ids(const std::vector<EpisodeGroup>& groups) {
  std::vector<uint64_t> ids;
  for (const EpisodeGroup& group : groups) ids.push_back(group.group_id);
  return ids;
}

TEST(GroupBuffer, GroupsAreTakenInTheOrderOfTheirIdsWheneverTheyFinish) {
  GroupBuffer buffer(3, 0);
  buffer.Reserve(3);
  for (const uint64_t id : {5, 3, 4}) buffer.Put(Group(id));
  EXPECT_THAT(Ids(buffer.Take(2, milliseconds(0))), ElementsAre(3, 4));
  EXPECT_THAT(Ids(buffer.Take(1, milliseconds(0))), ElementsAre(5));
}

TEST(GroupBuffer, ASlotIsHeldUntilWhatWasLearntFromItIsPublished) {
  GroupBuffer buffer(2, 0);
  EXPECT_EQ(buffer.slots(), 2);
  EXPECT_EQ(buffer.free_slots(), 2);
  buffer.Reserve(2);
  EXPECT_EQ(buffer.free_slots(), 0) << "being sampled";
  buffer.Put(Group(1));
  buffer.Put(Group(2));
  EXPECT_EQ(buffer.free_slots(), 0) << "finished";
  buffer.Take(2, milliseconds(0));
  EXPECT_EQ(buffer.free_slots(), 0) << "being learnt from";
  buffer.Release();
  EXPECT_EQ(buffer.free_slots(), 2);
}

TEST(GroupBuffer, MoreThanItsSlotsNeverGoOut) {
  GroupBuffer buffer(2, 0);
  buffer.Reserve(1);
  EXPECT_THROW(buffer.Reserve(2), std::exception);
  buffer.Reserve(1);
  EXPECT_THROW(buffer.Reserve(1), std::exception);
}

TEST(GroupBuffer, AGroupWithoutASlotAndAReleaseOfNothingAreBrokenInvariants) {
  GroupBuffer buffer(2, 0);
  EXPECT_THROW(buffer.Put(Group(1)), std::exception);
  EXPECT_THROW(buffer.Release(), std::exception);
}

TEST(GroupBuffer, TakeWaitsForTheRolloutsThread) {
  GroupBuffer buffer(2, 0);
  buffer.Reserve(2);
  std::thread rollouts([&] {
    for (const uint64_t id : {1, 2}) {
      std::this_thread::sleep_for(milliseconds(20));
      buffer.Put(Group(id));
    }
  });
  EXPECT_THAT(Ids(buffer.Take(2, milliseconds(10'000))), ElementsAre(1, 2));
  rollouts.join();
}

TEST(GroupBuffer, TakeHasADeadlineAndLosesNothing) {
  GroupBuffer buffer(2, 0);
  buffer.Reserve(2);
  buffer.Put(Group(1));
  try {
    buffer.Take(2, milliseconds(20));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  }
  buffer.Put(Group(2));
  EXPECT_THAT(Ids(buffer.Take(2, milliseconds(0))), ElementsAre(1, 2));
}

}  // namespace
}  // namespace cohort::rl
