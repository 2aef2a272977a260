#include "policy/tokenizer/regex_pattern.h"

#include <gmock/gmock.h>

#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "policy/tokenizer/pre_tokenizer.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

std::vector<std::string> Words(const json& row) {
  const json split = {{"type", "Split"},
                      {"pattern", {{"Regex", row.at("pattern")}}},
                      {"behavior", row.value("behavior", "Isolated")},
                      {"invert", row.value("invert", false)}};
  const PreTokenizer pre_tokenizer{base::JsonPlace(split, "t.json")};
  std::deque<std::string> storage;
  std::vector<std::string> words;
  const std::string text = row.at("text").get<std::string>();
  for (const std::string_view word : pre_tokenizer.Split(text, true, &storage)) {
    words.emplace_back(word);
  }
  return words;
}

// 854 pairs of a pattern and a text: those of published tokenizers, every construct of Oniguruma's
// Ruby syntax, and generated ones. tests/golden/policy_text/README.md says how they were made.
TEST(RegexPattern, CutsTextsAsHuggingFaceTokenizersDoes) {
  std::ifstream file(COHORT_GOLDEN_DIR "/policy_text/split_patterns.jsonl");
  int compared = 0, refused = 0;
  for (std::string line; std::getline(file, line);) {
    const json row = json::parse(line);
    if (row.at("words").is_null()) {  // refused there
      EXPECT_THROW(Words(row), Error) << line;
      ++refused;
      continue;
    }
    EXPECT_EQ(Words(row), row.at("words").get<std::vector<std::string>>()) << line;
    ++compared;
  }
  EXPECT_GT(compared, 800);
  EXPECT_GT(refused, 10);
}

TEST(RegexPattern, RunsThePatternsOfPublishedTokenizersAsMachineCode) {
  for (const char* pattern :
       {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s*[\r\n]+|\s+)",
        R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+|\s++$|\s+(?!\S)|\s)",
        R"([!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}]+)",
        R"([一-龥぀-ゟ゠-ヿ]+)"}) {
    EXPECT_TRUE(RegexPattern(pattern).is_fast()) << pattern;
  }
}

TEST(RegexPattern, LeavesToOnigurumaWhatPcre2ReadsOtherwise) {
  for (const char* pattern :
       {R"(\w+)", R"([a[bc]]+)", R"([\p{L}&&[^\p{Han}]]+)", R"(\h)", R"((?m).+)", R"(a(?i)b|c)",
        R"((?i:st))", R"(a{,2})", R"(a{2}?)", R"((?<=a)b)", R"(a*)", R"([[:alpha:]])", R"(\v)",
        R"(\p{Latin})", R"(x|)"}) {
    EXPECT_FALSE(RegexPattern(pattern).is_fast()) << pattern;
  }
}

TEST(RegexPattern, CutsWhereAnEmptyMatchStands) {
  EXPECT_EQ(Words({{"pattern", R"((?=\d))"}, {"text", "a1b2"}}),
            (std::vector<std::string>{"a", "1b", "2"}));
}

}  // namespace
}  // namespace cohort::policy
