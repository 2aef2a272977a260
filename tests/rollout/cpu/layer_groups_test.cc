#include "rollout/cpu/layer_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace cohort::rollout {
namespace {

using testing::ElementsAre;

// Layers of which every `period`-th sees all.
std::vector<int64_t> Windows(int64_t layers, int64_t period, int64_t window) {
  std::vector<int64_t> windows;
  for (int64_t i = 1; i <= layers; ++i) windows.push_back(i % period == 0 ? 0 : window);
  return windows;
}

TEST(LayerGroups, LayersThatSeeAllAreOneGroup) {
  const LayerGroups groups(Windows(32, 1, 0));
  EXPECT_EQ(groups.group_layers, 32);
  EXPECT_THAT(groups.windows, ElementsAre(0));
  EXPECT_EQ(groups.places[31].index, 31);
}

TEST(LayerGroups, AreAsLargeAsTheirSizesDivide) {
  const LayerGroups halves(Windows(24, 2, 128));  // gpt-oss-20b
  EXPECT_EQ(halves.group_layers, 12);
  EXPECT_THAT(halves.windows, ElementsAre(0, 128));
  const LayerGroups quarters(Windows(32, 4, 4096));  // olmo3-7b
  EXPECT_EQ(quarters.group_layers, 8);
  EXPECT_THAT(quarters.windows, ElementsAre(0, 4096, 4096, 4096));
  const LayerGroups gemma(Windows(62, 6, 1024));  // gemma-3-27b: 10 and 52
  EXPECT_EQ(gemma.group_layers, 2);
  EXPECT_EQ(gemma.windows.size(), 31u);
  const LayerGroups apart(Windows(34, 6, 1024));  // gemma-3-4b: 5 and 29
  EXPECT_EQ(apart.group_layers, 1);
}

TEST(LayerGroups, GiveEachLayerAPlaceOfItsWindowThatNoOtherHas) {
  for (const auto& windows : {Windows(24, 2, 128), Windows(62, 6, 1024), Windows(7, 3, 9),
                              std::vector<int64_t>{5, 0, 9, 9, 0, 5}}) {
    const LayerGroups groups(windows);
    std::set<std::pair<int64_t, int64_t>> taken;
    for (size_t layer = 0; layer < windows.size(); ++layer) {
      const auto [group, index] = groups.places.at(layer);
      EXPECT_EQ(groups.windows.at(static_cast<size_t>(group)), windows[layer]);
      EXPECT_LT(index, groups.group_layers);
      EXPECT_TRUE(taken.insert({group, index}).second);
    }
    EXPECT_EQ(std::ssize(taken), std::ssize(groups.windows) * groups.group_layers);
  }
}

TEST(LayerGroups, AWindowThatNoSequenceOutgrowsIsNone) {
  policy::ModelConfig config;
  config.num_layers = 6;
  config.max_positions = 4096;
  config.attention.sliding_window = 4096;
  EXPECT_THAT(LayerGroups(config).windows, ElementsAre(0));
  config.attention.sliding_window = 4095;
  EXPECT_THAT(LayerGroups(config).windows, ElementsAre(4095));
  config.attention.full_layers = {1, 4};
  EXPECT_THAT(LayerGroups(config).windows, ElementsAre(0, 4095, 4095));
}

}  // namespace
}  // namespace cohort::rollout
