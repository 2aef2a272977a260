#include "rollout/decoder/block_pool.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace cohort::rollout {
namespace {

BlockTable TableOf(BlockPool& pool, int64_t tokens) {
  BlockTable table;
  while (static_cast<int64_t>(table.size()) < pool.BlocksFor(tokens)) {
    EXPECT_TRUE(pool.Extend(&table));
  }
  return table;
}

TEST(BlockPool, CountsBlocksInWholeOnes) {
  const BlockPool pool(4, 32);
  EXPECT_EQ(pool.BlocksFor(0), 0);
  EXPECT_EQ(pool.BlocksFor(1), 1);
  EXPECT_EQ(pool.BlocksFor(32), 1);
  EXPECT_EQ(pool.BlocksFor(33), 2);
}

TEST(BlockPool, GivesEachBlockOnceAndSaysWhenThereIsNone) {
  BlockPool pool(3, 32);
  BlockTable table = TableOf(pool, 96);
  EXPECT_EQ(std::set<int32_t>(table.begin(), table.end()).size(), 3u);
  EXPECT_EQ(pool.free_blocks(), 0);
  EXPECT_FALSE(pool.Extend(&table));
  EXPECT_EQ(table.size(), 3u);
  pool.Release(&table);
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(pool.free_blocks(), 3);
}

TEST(BlockPool, FreesASharedBlockWithItsLastReference) {
  BlockPool pool(2, 4);
  BlockTable parent = TableOf(pool, 8);
  BlockTable child = pool.Fork(&parent, 8, PartlyFilled::kCopy);
  EXPECT_EQ(child, parent) << "whole blocks are shared";
  EXPECT_EQ(pool.references(parent[0]), 2);
  EXPECT_TRUE(pool.TakeCopies().empty());
  pool.Release(&parent);
  EXPECT_EQ(pool.free_blocks(), 0);
  pool.Release(&child);
  EXPECT_EQ(pool.free_blocks(), 2);
}

TEST(BlockPool, CopiesAPartlyFilledBlockOnAForkAndNamesTheCopy) {
  BlockPool pool(4, 4);
  BlockTable parent = TableOf(pool, 6);
  const BlockTable child = pool.Fork(&parent, 6, PartlyFilled::kCopy);
  ASSERT_EQ(child.size(), 2u);
  EXPECT_EQ(child[0], parent[0]);
  EXPECT_NE(child[1], parent[1]);
  EXPECT_EQ(pool.references(child[1]), 1);
  EXPECT_EQ(pool.references(parent[1]), 1);
  EXPECT_EQ(pool.TakeCopies(), (std::vector<BlockCopy>{{parent[1], child[1]}}));
  EXPECT_TRUE(pool.TakeCopies().empty()) << "each copy is named once";
}

TEST(BlockPool, MovesAPartlyFilledBlockOutOfAParentThatNeedsItNoMore) {
  BlockPool pool(4, 4);
  BlockTable parent = TableOf(pool, 6);
  const BlockTable before = parent;
  const BlockTable child = pool.Fork(&parent, 6, PartlyFilled::kMove);
  EXPECT_EQ(child, before);
  EXPECT_EQ(parent, BlockTable{before[0]});
  EXPECT_EQ(pool.references(before[0]), 2);
  EXPECT_EQ(pool.references(before[1]), 1);
  EXPECT_EQ(pool.free_blocks(), 2);
  EXPECT_TRUE(pool.TakeCopies().empty());
}

TEST(BlockPool, RefusesWhatWouldBreakTheAccount) {
  BlockPool pool(2, 4);
  BlockTable free_block = {0};
  EXPECT_THROW(pool.Release(&free_block), Error);
  free_block = {1};
  EXPECT_THROW(pool.Fork(&free_block, 4, PartlyFilled::kCopy), Error);
  BlockTable table = TableOf(pool, 8);
  EXPECT_THROW(pool.Fork(&table, 9, PartlyFilled::kCopy), Error) << "longer than the parent";
  EXPECT_THROW(pool.Fork(&table, 6, PartlyFilled::kCopy), Error) << "no block for the copy";
  EXPECT_THROW(BlockPool(0, 4), Error);
}

}  // namespace
}  // namespace cohort::rollout
