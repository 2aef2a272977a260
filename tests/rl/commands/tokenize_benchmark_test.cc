#include "rl/commands/tokenize_benchmark.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/tokenizer/word_cache.h"

namespace cohort::rl {
namespace {

TEST(TokenizeBenchmark, CountsTheLinesThatAreNotEmpty) {
  const auto tokenizer = policy::MakeByteTokenizer({});
  const base::TemporaryFolder folder;
  const nlohmann::json result = RunTokenizeBenchmark(
      *tokenizer, {.file = folder.Write("text", "one text\n\nanother\n"), .passes = 2});
  EXPECT_EQ(result.at("texts"), 2);
  EXPECT_EQ(result.at("bytes"), 15);
  EXPECT_EQ(result.at("tokens"), 15);
  for (const char* rate :
       {"encode_cold_tokens_per_s", "encode_warm_tokens_per_s", "decode_tokens_per_s"}) {
    EXPECT_GT(result.at(rate), 0) << rate;
  }
}

TEST(TokenizeBenchmark, HasAnEnglishTextOfItsOwn) {
  const nlohmann::json result =
      RunTokenizeBenchmark(*policy::MakeByteTokenizer({}), {.file = "", .passes = 1});
  EXPECT_GT(result.at("bytes"), 100'000);
}

TEST(TokenizeBenchmark, RefusesAFileWithoutText) {
  const base::TemporaryFolder folder;
  try {
    RunTokenizeBenchmark(*policy::MakeByteTokenizer({}), {.file = folder.Write("text", "\n\n")});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
  }
}

// A cold pass relies on this.
TEST(WordCache, ForgetsEverythingWhenCleared) {
  policy::WordCache& cache = policy::WordCache::OfThisThread();
  constexpr uint32_t kOwner = 0x7FFFFFFF;
  const std::vector<int32_t> ids = {4, 2};
  std::vector<int32_t> found;
  cache.Put(kOwner, "word", ids);
  EXPECT_TRUE(cache.Get(kOwner, "word", &found));
  EXPECT_EQ(found, ids);
  cache.Clear();
  EXPECT_FALSE(cache.Get(kOwner, "word", &found));
}

}  // namespace
}  // namespace cohort::rl
