#include "rollout/cpu/kv_cache.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "rollout/cpu/attention_weights.h"

namespace cohort::rollout {
namespace {

constexpr kernels::KvLayout kLayout{.kv_heads = 2, .key_dim = 16, .value_dim = 16};
constexpr int64_t kBlockBytes =
    2 * 2 * 16 * 32 * 4;  // keys and values, 2 heads of 16, 32 tokens, fp32

LayerGroups Alike(size_t num_layers) { return LayerGroups(std::vector<int64_t>(num_layers, 0)); }

TEST(KvCache, HoldsAsManyBlocksAsFitInItsBoundAndNoMoreThanAreUseful) {
  EXPECT_EQ(KvCache(kLayout, Alike(3), 10 * 3 * kBlockBytes + 1, 1000).num_blocks(), 10);
  EXPECT_EQ(KvCache(kLayout, Alike(3), int64_t{1} << 40, 6).num_blocks(), 6);
}

TEST(KvCache, HoldsTheLatentAndTheRotatedKeyOfATokenAlone) {
  policy::AttentionConfig attention;  // DeepSeek-V3's
  attention.kind = policy::AttentionKind::kLatent;
  attention.num_heads = attention.num_kv_heads = 128;
  attention.kv_lora_rank = 512;
  attention.qk_nope_head_dim = attention.v_head_dim = 128;
  attention.qk_rope_head_dim = 64;
  const int64_t token_bytes = 576 * 4;
  EXPECT_EQ(
      KvCache(KvLayoutOf(attention), Alike(61), 10 * 32 * 61 * token_bytes, 1000).num_blocks(), 10);
}

TEST(KvCache, RefusesABoundThatHoldsNoBlock) {
  EXPECT_THROW(KvCache(kLayout, Alike(3), 3 * kBlockBytes - 1, 9), Error);
}

TEST(KvCache, ABlockServesEveryGroupOfLayers) {
  const LayerGroups groups(std::vector<int64_t>{0, 20, 0, 20});
  KvCache cache(kLayout, groups, 4 * 2 * kBlockBytes, 9);
  EXPECT_EQ(cache.num_blocks(), 4) << "of two layers each";
  cache.Block(0, 1)[3] = 1.0f;  // the first layer of its group
  cache.Block(3, 1)[3] = 2.0f;  // the second
  EXPECT_EQ(cache.Block(1, 1)[3], 1.0f) << "block 1 has one place for the first of a group";
  EXPECT_EQ(cache.Block(2, 1)[3], 2.0f);
  cache.Copy(1, 2);
  EXPECT_EQ(cache.Block(3, 2)[3], 2.0f);
}

TEST(KvCache, CopiesABlockOverAllLayers) {
  KvCache cache(kLayout, Alike(2), 4 * kBlockBytes, 9);
  cache.Block(0, 0)[0] = 1.5f;
  cache.Block(1, 0)[kLayout.block_floats() - 1] = 2.5f;
  cache.Copy(0, 1);
  EXPECT_EQ(cache.Block(0, 1)[0], 1.5f);
  EXPECT_EQ(cache.Block(1, 1)[kLayout.block_floats() - 1], 2.5f);
  cache.Block(0, 1)[0] = 9.0f;
  EXPECT_EQ(cache.Block(0, 0)[0], 1.5f);
}

}  // namespace
}  // namespace cohort::rollout
