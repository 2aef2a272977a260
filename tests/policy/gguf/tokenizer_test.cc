// The tokenizers of GGUF files against what Hugging Face tokenizers gives for the same ones.

#include "policy/gguf/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "base/temporary_folder.h"
#include "policy/gguf/pre_tokenizer.h"
#include "policy/gguf/sentencepiece_merges.h"
#include "policy/tokenizer/pre_tokenizer.h"
#include "tests/policy/gguf/bytes.h"

namespace cohort::policy {
namespace {

using base::Json;
using Ids = std::vector<int32_t>;

const std::string kGolden = COHORT_GOLDEN_DIR "/policy_text/";
constexpr int kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6;

TokenizerSpec Read(const GgufBytes& bytes) {
  const base::TemporaryFolder folder;
  folder.Write("model.gguf", bytes.str());
  return GgufTokenizer(GgufFile(folder.path() / "model.gguf"));
}

std::string ErrorOf(const GgufBytes& bytes) {
  try {
    MakeTokenizer(Read(bytes), "model.gguf");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return std::string(error.what()) + " | " + error.hint();
  }
  return "no error";
}

// tiny_sentencepiece.json as llama.cpp's converter writes one; `divisor` tokens share a score.
GgufBytes SentencePiece(int divisor) {
  const Json json = Json::parse(base::ReadFile(kGolden + "tiny_sentencepiece.json"));
  std::vector<std::string> tokens(json["model"]["vocab"].size() + 2);
  for (const auto& [token, id] : json["model"]["vocab"].items()) tokens.at(id) = token;
  std::vector<int32_t> types(tokens.size(), kNormal);
  for (const Json& added : json["added_tokens"]) {
    const auto id = added["id"].get<size_t>();
    tokens.at(id) = added["content"];
    types.at(id) = id == 0 ? kUnknown : added["special"].get<bool>() ? kControl : kUserDefined;
  }
  while (tokens.back().empty()) {
    tokens.pop_back();
    types.pop_back();
  }
  std::vector<float> scores;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].starts_with("<0x")) types[id] = kByte;
    scores.push_back(-static_cast<float>(id / static_cast<size_t>(divisor)));
  }
  GgufBytes bytes;
  bytes.Text("tokenizer.ggml.model", "llama")
      .Text("tokenizer.ggml.pre", "default")
      .Texts("tokenizer.ggml.tokens", tokens)
      .Floats("tokenizer.ggml.scores", scores)
      .Integers("tokenizer.ggml.token_type", types);
  return bytes;
}

std::vector<std::string> Texts() {
  std::vector<std::string> texts;
  base::ForEachJsonLine(kGolden + "families.jsonl", [&](const Json& row, int line) {
    if (line == 1) texts = row["texts"].get<std::vector<std::string>>();
  });
  return texts;
}

TEST(GgufSentencePiece, GivesTheIdsOfHuggingFaceAndDecodesThemAlike) {
  const Json cases = Json::parse(base::ReadFile(kGolden + "sentencepiece_gguf.json"));
  const std::vector<std::string> texts = Texts();
  for (const Json& one : cases) {
    GgufBytes bytes = SentencePiece(one["divisor"]);
    if (!one["add_space_prefix"].get<bool>()) bytes.Bool("tokenizer.ggml.add_space_prefix", false);
    const auto tokenizer = MakeTokenizer(Read(bytes), "model.gguf");
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::string key = std::to_string(i);
      const Ids expected = one["ids"].contains(key) ? one["ids"][key] : cases[0]["ids"][key];
      EXPECT_EQ(tokenizer->Encode(texts[i]), expected)
          << "'" << texts[i] << "' with " << one["divisor"] << " tokens a score, prefix "
          << one["add_space_prefix"];
      EXPECT_EQ(tokenizer->Decode(expected), one["decoded"].value(key, texts[i]));
    }
  }
}

TEST(GgufSentencePiece, PutsItsFirstTokenBeforeATextUnlessToldNotTo) {
  const auto usual = MakeTokenizer(Read(SentencePiece(1)), "model.gguf");
  const Ids text = usual->Encode("the sum");
  EXPECT_EQ(usual->Encode("the sum", /*add_bos=*/true).front(), 1);
  EXPECT_EQ(usual->Encode("the sum", /*add_bos=*/true).size(), text.size() + 1);
  GgufBytes bytes = SentencePiece(1);
  bytes.Bool("tokenizer.ggml.add_bos_token", false)
      .Bool("tokenizer.ggml.add_eos_token", true)
      .Integer("tokenizer.ggml.eos_token_id", 2);
  const Ids ended = MakeTokenizer(Read(bytes), "model.gguf")->Encode("the sum", /*add_bos=*/true);
  EXPECT_EQ(ended.front(), text.front());
  EXPECT_EQ(ended.back(), 2);
  EXPECT_EQ(ended.size(), text.size() + 1);
}

TEST(GgufSentencePiece, IsWrittenAsATokenizerJsonThatReadsBackTheSame) {
  const TokenizerSpec spec = Read(SentencePiece(9));
  const auto tokenizer = MakeTokenizer(spec, "model.gguf");
  const auto again = ParseTokenizer(tokenizer->ToJson().dump(), "tokenizer.json");
  for (const std::string& text : Texts()) {
    EXPECT_EQ(again->Encode(text, true), tokenizer->Encode(text, true)) << text;
  }
}

TEST(GgufSentencePiece, IsRefusedWithScoresThatDoNotFitTheTokens) {
  GgufBytes bytes;
  bytes.Text("tokenizer.ggml.model", "llama")
      .Texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "a"})
      .Floats("tokenizer.ggml.scores", {0, 0});
  EXPECT_NE(ErrorOf(bytes).find("tokenizer.ggml.scores has 2 entries for 3 tokens"),
            std::string::npos)
      << ErrorOf(bytes);
}

TEST(GgufSentencePiece, IsRefusedWithATokenTooLongToCut) {
  GgufBytes bytes;
  bytes.Text("tokenizer.ggml.model", "llama")
      .Texts("tokenizer.ggml.tokens", {"<unk>", "<s>", std::string(5000, 'a')})
      .Floats("tokenizer.ggml.scores", {0, 0, 0});
  EXPECT_NE(ErrorOf(bytes).find("a token of 5000 bytes"), std::string::npos) << ErrorOf(bytes);
}

TEST(MergesOfScores, GoesByScoreThenByLengthOfTheHalves) {
  //                                        0    1    2    3     4     5
  const std::vector<std::string> tokens = {"a", "b", "é", "ab", "bé", "abé"};
  using Merges = std::vector<std::pair<int32_t, int32_t>>;
  EXPECT_EQ(MergesOfScores(tokens, {0, 0, 0, -2, -1, -3}),
            (Merges{{1, 2}, {0, 1}, {3, 2}, {0, 4}}));
  EXPECT_EQ(MergesOfScores(tokens, {0, 0, 0, -1, -1, -1}),
            (Merges{{3, 2}, {0, 4}, {0, 1}, {1, 2}}));
}

GgufBytes ByteLevel(const std::string& pre) {
  GgufBytes bytes;
  bytes.Text("tokenizer.ggml.model", "gpt2")
      .Text("tokenizer.ggml.pre", pre)
      .Texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<s>"})
      .Texts("tokenizer.ggml.merges", {"a b"})
      .Integers("tokenizer.ggml.token_type", {kNormal, kNormal, kNormal, kControl})
      .Integer("tokenizer.ggml.bos_token_id", 3);
  return bytes;
}

TEST(GgufPreTokenizer, IsThatOfTheFamilysTokenizerJson) {
  const std::map<std::string, std::string> family_of = {{"default", "gpt2"},
                                                        {"gpt-2", "gpt2"},
                                                        {"smollm", "smollm"},
                                                        {"llama-bpe", "llama3"},
                                                        {"qwen2", "qwen2"},
                                                        {"deepseek-v3", "deepseek-v3"},
                                                        {"deepseek-llm", "deepseek-llm"}};
  std::map<std::string, Json> pre_tokenizer;
  base::ForEachJsonLine(kGolden + "families.jsonl", [&](const Json& row, int line) {
    if (line == 1) return;
    for (const Json& step : row["patch"]) {
      if (step["path"] == "/pre_tokenizer") pre_tokenizer[row["name"]] = step["value"];
    }
  });
  for (const auto& [pre, family] : family_of) {
    EXPECT_EQ(Read(ByteLevel(pre)).pre_tokenizer, pre_tokenizer.at(family)) << pre;
  }
}

using Words = std::vector<std::string>;

// The words of each text.
std::vector<Words> WordsOf(const std::string& pre, const std::vector<std::string>& texts) {
  const Json json = Read(ByteLevel(pre)).pre_tokenizer;
  const PreTokenizer pre_tokenizer(base::JsonPlace(json, "t"));
  std::vector<Words> words;
  for (const std::string& text : texts) {
    std::deque<std::string> storage;
    const auto found = pre_tokenizer.Split(text, true, &storage);
    words.emplace_back(found.begin(), found.end());
  }
  return words;
}

// Numbers, capitals, Chinese and spaces, cut as llama.cpp's patterns of these names cut them.
TEST(GgufPreTokenizer, KnowsTheNamesOfLlamaCpp) {
  const std::string text = "Ab 12345\u4e2d\u6587Cd";
  const std::map<std::string, std::vector<std::string>> words_of = {
      {"mpt", {"Ab", " 12345", "\u4e2d\u6587Cd"}},
      {"command-r", {"Ab", " ", "1", "2", "3", "4", "5", "\u4e2d\u6587Cd"}},
      {"gigachat", {"Ab", " 12345", "\u4e2d\u6587Cd"}},
      {"megrez", {"Ab", " ", "1", "2", "3", "4", "5", "\u4e2d\u6587Cd"}},
      {"midm-2.0", {"Ab", " ", "123", "45", "\u4e2d\u6587Cd"}},
      {"llama4", {"Ab", " ", "123", "45", "\u4e2d\u6587Cd"}},
      {"falcon3", {"Ab", " ", "123", "45", "\u4e2d\u6587Cd"}},
      {"glm4", {"Ab", " ", "123", "45", "\u4e2d\u6587Cd"}},
      {"deepseek-r1-qwen", {"Ab", " ", "1", "2", "3", "4", "5", "\u4e2d\u6587Cd"}},
      {"seed-coder", {"Ab", " ", "1", "2", "3", "4", "5", "\u4e2d\u6587Cd"}},
      {"tekken", {"Ab", " ", "1", "2", "3", "4", "5", "\u4e2d\u6587Cd"}},
      {"gpt-4o", {"Ab", " ", "123", "45", "\u4e2d\u6587Cd"}},
      {"kimi-k2", {"Ab", " ", "123", "45", "\u4e2d\u6587", "Cd"}},
      {"superbpe", {"Ab ", "12", "345", "\u4e2d\u6587Cd"}},
      {"deepseek-coder", {"Ab", " ", "1", "2", "3", "4", "5", "\u4e2d\u6587", "Cd"}}};
  for (const auto& [pre, words] : words_of) {
    EXPECT_EQ(WordsOf(pre, {text}), std::vector<Words>{words}) << pre;
  }
}

TEST(GgufPreTokenizer, OfEveryNameOfLlamaCppCutsByItsPatternOrIsRefusedWithTheReason) {
  std::vector<std::string> texts, names, refused;
  base::ForEachJsonLine(kGolden + "gguf_words.jsonl", [&](const Json& row, int line) {
    if (line == 1) {
      texts = row["texts"];
      names = row["names"];
      refused = row["refused"];
      return;
    }
    for (const std::string pre : row["names"]) {
      EXPECT_EQ(WordsOf(pre, texts), row["words"].get<std::vector<Words>>()) << pre;
    }
  });
  for (const std::string& name : names) {
    const bool is_refused = std::find(refused.begin(), refused.end(), name) != refused.end();
    const std::string error = ErrorOf(ByteLevel(name));
    EXPECT_EQ(
        error.find("'" + name + "' is not supported: its merges go over") != std::string::npos,
        is_refused)
        << error;
    EXPECT_EQ(error == "no error", !is_refused) << error;
  }
}

TEST(GgufPreTokenizer, IsRefusedByNameWhereItIsUnknown) {
  const std::string error = ErrorOf(ByteLevel("viking-2"));
  EXPECT_NE(error.find("tokenizer.ggml.pre 'viking-2' is not supported"), std::string::npos)
      << error;
  EXPECT_NE(error.find("deepseek-llm, deepseek-r1-qwen"), std::string::npos) << error;
}

TEST(GgufByteLevel, OfLlama3TakesWholeTokensAndBeginsWithItsFirst) {
  const TokenizerSpec llama3 = Read(ByteLevel("llama-bpe"));
  EXPECT_TRUE(llama3.ignore_merges);
  EXPECT_EQ(MakeTokenizer(llama3, "model.gguf")->Encode("ab", true), (Ids{3, 2}));
  const TokenizerSpec qwen2 = Read(ByteLevel("qwen2"));
  EXPECT_FALSE(qwen2.ignore_merges);
  EXPECT_TRUE(Read(ByteLevel("glm4")).ignore_merges);
  EXPECT_EQ(MakeTokenizer(Read(ByteLevel("glm4")), "model.gguf")->Encode("ab", true), (Ids{2}));
  EXPECT_EQ(MakeTokenizer(Read(ByteLevel("chameleon")), "model.gguf")->Encode("ab", true),
            (Ids{3, 2}));
  EXPECT_EQ(MakeTokenizer(qwen2, "model.gguf")->Encode("ab", true), (Ids{2}));
}

TEST(GgufTokenizerModel, IsRefusedByNameWhereItIsUnknown) {
  GgufBytes bytes;
  bytes.Text("tokenizer.ggml.model", "t5");
  EXPECT_NE(ErrorOf(bytes).find("tokenizer.ggml.model 't5' is not supported"), std::string::npos);
}

}  // namespace
}  // namespace cohort::policy
