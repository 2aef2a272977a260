#include "rollout/decoder/block_pool.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace cohort::rollout {
namespace {

BlockTables TablesOf(BlockPool& pool, int64_t tokens) {
  BlockTables tables;
  while (pool.Covered(tables) < tokens) EXPECT_TRUE(pool.Extend(&tables));
  return tables;
}

int64_t Held(const BlockPool& pool) { return pool.num_blocks() - pool.free_blocks(); }

TEST(BlockPool, CountsBlocksInWholeOnes) {
  const BlockPool pool(4, 32);
  EXPECT_EQ(pool.EntriesFor(0), 0);
  EXPECT_EQ(pool.EntriesFor(1), 1);
  EXPECT_EQ(pool.EntriesFor(32), 1);
  EXPECT_EQ(pool.EntriesFor(33), 2);
}

TEST(BlockPool, GivesEachBlockOnceAndSaysWhenThereIsNone) {
  BlockPool pool(3, 32);
  BlockTables tables = TablesOf(pool, 96);
  EXPECT_EQ(std::set<int32_t>(tables[0].begin(), tables[0].end()).size(), 3u);
  EXPECT_EQ(pool.free_blocks(), 0);
  EXPECT_FALSE(pool.Extend(&tables));
  EXPECT_EQ(pool.Covered(tables), 96);
  pool.Release(&tables);
  EXPECT_TRUE(tables.empty());
  EXPECT_EQ(pool.free_blocks(), 3);
}

TEST(BlockPool, FreesASharedBlockWithItsLastReference) {
  BlockPool pool(2, 4);
  BlockTables parent = TablesOf(pool, 8);
  BlockTables child = pool.Fork(&parent, 8, PartlyFilled::kCopy);
  EXPECT_EQ(child, parent) << "whole blocks are shared";
  EXPECT_EQ(pool.references(parent[0][0]), 2);
  EXPECT_TRUE(pool.TakeCopies().empty());
  pool.Release(&parent);
  EXPECT_EQ(pool.free_blocks(), 0);
  pool.Release(&child);
  EXPECT_EQ(pool.free_blocks(), 2);
}

TEST(BlockPool, CopiesAPartlyFilledBlockOnAForkAndNamesTheCopy) {
  BlockPool pool(4, 4);
  BlockTables parents = TablesOf(pool, 6);
  const BlockTables children = pool.Fork(&parents, 6, PartlyFilled::kCopy);
  const BlockTable &parent = parents.at(0), &child = children.at(0);
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
  BlockTables parent = TablesOf(pool, 6);
  const BlockTable before = parent[0];
  const BlockTables child = pool.Fork(&parent, 6, PartlyFilled::kMove);
  EXPECT_EQ(child, BlockTables{before});
  EXPECT_EQ(parent, BlockTables{{before[0]}});
  EXPECT_EQ(pool.references(before[0]), 2);
  EXPECT_EQ(pool.references(before[1]), 1);
  EXPECT_EQ(pool.free_blocks(), 2);
  EXPECT_TRUE(pool.TakeCopies().empty());
}

TEST(BlockPool, RefusesWhatWouldBreakTheAccount) {
  BlockPool pool(2, 4);
  BlockTables free_block = {{0}};
  EXPECT_THROW(pool.Release(&free_block), Error);
  free_block = {{1}};
  EXPECT_THROW(pool.Fork(&free_block, 4, PartlyFilled::kCopy), Error);
  BlockTables table = TablesOf(pool, 8);
  EXPECT_THROW(pool.Fork(&table, 9, PartlyFilled::kCopy), Error) << "longer than the parent";
  EXPECT_THROW(pool.Fork(&table, 6, PartlyFilled::kCopy), Error) << "no block for the copy";
  EXPECT_THROW(BlockPool(0, 4), Error);
  EXPECT_THROW(BlockPool(2, 4, {}), Error);
}

TEST(BlockPool, GivesBackWhatNoLaterRowSeesInAGroupWithAWindowAndThereAlone) {
  BlockPool pool(40, 4, {0, 6});
  BlockTables tables = TablesOf(pool, 20);
  const BlockTables before = tables;
  ASSERT_EQ(Held(pool), 10);
  pool.DropUnseen(&tables, 9);  // that row sees 4..9
  EXPECT_EQ(tables[1][0], kNoBlock);
  EXPECT_EQ(tables[1][1], before[1][1]);
  pool.DropUnseen(&tables, 8);  // sees 3, but what is gone stays so
  EXPECT_EQ(tables[1][0], kNoBlock);
  pool.DropUnseen(&tables, 17);  // sees 12..17
  EXPECT_EQ(tables[1], (BlockTable{kNoBlock, kNoBlock, kNoBlock, before[1][3], before[1][4]}));
  EXPECT_EQ(tables[0], before[0]);
  EXPECT_EQ(Held(pool), 7);
  EXPECT_EQ(pool.Covered(tables), 20);
  pool.Release(&tables);
  EXPECT_EQ(Held(pool), 0);
}

TEST(BlockPool, GroupsDrawOnOnePoolAndGrowTogetherOrNotAtAll) {
  BlockPool pool(5, 4, {0, 6});
  BlockTables tables = TablesOf(pool, 8);
  EXPECT_EQ(std::set<int32_t>({tables[0][0], tables[0][1], tables[1][0], tables[1][1]}).size(), 4u);
  EXPECT_FALSE(pool.Extend(&tables)) << "one block for two tables";
  EXPECT_EQ(pool.free_blocks(), 1);
  pool.DropUnseen(&tables, 9);
  EXPECT_TRUE(pool.Extend(&tables)) << "the full group takes what the windowed one gave back";
}

TEST(BlockPool, ASampleKeepsThePromptsWindowAfterThePromptHasGone) {
  BlockPool pool(40, 4, {0, 6});
  BlockTables prompt = TablesOf(pool, 18);
  pool.DropUnseen(&prompt, 16);  // sees 11..16: blocks 2, 3, 4
  BlockTables child = pool.Fork(&prompt, 18, PartlyFilled::kCopy);
  EXPECT_EQ(child[1][1], kNoBlock);
  EXPECT_EQ(child[1][2], prompt[1][2]);
  EXPECT_EQ(pool.references(prompt[1][3]), 2);
  EXPECT_NE(child[1][4], prompt[1][4]);
  EXPECT_EQ(pool.TakeCopies(),
            (std::vector<BlockCopy>{{prompt[0][4], child[0][4]}, {prompt[1][4], child[1][4]}}));
  pool.Release(&prompt);
  EXPECT_EQ(Held(pool), 5 + 3);
  pool.DropUnseen(&child, 22);
  EXPECT_EQ(Held(pool), 5 + 1);
  pool.Release(&child);
  EXPECT_EQ(Held(pool), 0);
}

// Counted by growing a sequence so, at every step and from every position.
TEST(BlockPool, CountsTheBlocksThatAWindowTakesAtMost) {
  for (const int64_t window : {1, 2, 5, 8, 9, 30}) {
    for (const int64_t step : {1, 3, 4, 7, 16}) {
      BlockPool pool(1000, 4, {window});
      BlockTables tables;
      const int64_t foretold = pool.Missing(tables, 100, step);
      int64_t most = 0;
      for (int64_t start = 0; start < 100; start += step) {
        pool.DropUnseen(&tables, start);
        const int64_t held = Held(pool), missing = pool.Missing(tables, 100, step);
        while (pool.Covered(tables) < std::min<int64_t>(100, start + step)) pool.Extend(&tables);
        EXPECT_LE(Held(pool) - held, missing) << window << " " << step;
        most = std::max(most, Held(pool));
      }
      EXPECT_LE(most, foretold) << window << " " << step;
      EXPECT_GE(most, foretold - 1) << window << " " << step;  // no alignment, or not in 100 tokens
    }
  }
  const BlockPool pool(1000, 4, {0, 6});
  EXPECT_EQ(pool.Missing({}, 100, 1), 25 + 3);
  EXPECT_EQ(pool.Missing({}, 6, 1), 2 + 2) << "no more than the tokens there are";
  EXPECT_EQ(pool.LeastRoom(100), 26 + 6);
  EXPECT_EQ(pool.LeastRoom(6), 3 + 3);
}

}  // namespace
}  // namespace cohort::rollout
