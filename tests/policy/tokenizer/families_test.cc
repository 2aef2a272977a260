// The tokenizers of the model families against what Hugging Face tokenizers gives.

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "base/utf8.h"
#include "policy/tokenizer/nfc.h"
#include "policy/tokenizer/token_stream.h"
#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {
namespace {

using base::Json;
using Ids = std::vector<int32_t>;

const std::string kGolden = COHORT_GOLDEN_DIR "/policy_text/";

struct Family {
  std::string name;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<Ids> ids;  // of Texts()
  std::vector<std::string> decoded;
};

const std::vector<std::string>& Texts() {
  static const std::vector<std::string> texts = [] {
    std::vector<std::string> read;
    base::ForEachJsonLine(kGolden + "families.jsonl", [&](const Json& row, int line) {
      if (line == 1) read = row["texts"].get<std::vector<std::string>>();
    });
    return read;
  }();
  return texts;
}

std::vector<Family> ReadFamilies() {
  std::vector<Family> families;
  std::map<std::string, size_t> first_of_base;  // the others list only the ids that differ from it
  base::ForEachJsonLine(kGolden + "families.jsonl", [&](const Json& row, int line) {
    if (line == 1) return;
    const Json json =
        Json::parse(base::ReadFile(kGolden + row["base"].get<std::string>())).patch(row["patch"]);
    Family family;
    family.name = row["name"];
    family.tokenizer = MakeTokenizer(ParseTokenizerJson(json, family.name), family.name);
    const size_t first = first_of_base.try_emplace(row["base"], families.size()).first->second;
    for (size_t i = 0; i < Texts().size(); ++i) {
      const std::string key = std::to_string(i);
      family.ids.push_back(row["ids"].contains(key) ? row["ids"][key].get<Ids>()
                                                    : families[first].ids[i]);
      family.decoded.push_back(row["decoded"].value(key, Texts()[i]));
    }
    families.push_back(std::move(family));
  });
  return families;
}

TEST(TokenizerFamilies, GiveTheIdsOfHuggingFace) {
  const auto families = ReadFamilies();
  EXPECT_EQ(families.size(), 15u);
  for (const Family& family : families) {
    for (size_t i = 0; i < Texts().size(); ++i) {
      EXPECT_EQ(family.tokenizer->Encode(Texts()[i]), family.ids[i])
          << family.name << ": '" << Texts()[i] << "'";
    }
  }
}

TEST(TokenizerFamilies, DecodeToTheTextsOfHuggingFace) {
  for (const Family& family : ReadFamilies()) {
    for (size_t i = 0; i < Texts().size(); ++i) {
      EXPECT_EQ(family.tokenizer->Decode(family.ids[i]), family.decoded[i]) << family.name;
    }
  }
}

TEST(TokenizerFamilies, AreTheSameAfterAWayThroughTheirJson) {
  for (const Family& family : ReadFamilies()) {
    const Json json = family.tokenizer->ToJson();
    const auto again = MakeTokenizer(ParseTokenizerJson(json, "again"), "again");
    EXPECT_EQ(again->ToJson(), json);
    for (size_t i = 0; i < Texts().size(); ++i) {
      EXPECT_EQ(again->Encode(Texts()[i]), family.ids[i]) << family.name;
    }
  }
}

TEST(TokenizerFamilies, StreamWhatTheyDecodeWithoutSplittingACharacter) {
  for (const Family& family : ReadFamilies()) {
    for (size_t i = 0; i < Texts().size(); ++i) {
      TokenStream stream(*family.tokenizer);
      std::string all;
      for (const int32_t id : family.ids[i]) {
        const std::string piece = stream.Push(id);
        EXPECT_TRUE(base::IsValidUtf8(piece)) << family.name << ": '" << Texts()[i] << "'";
        all += piece;
      }
      EXPECT_EQ(stream.Finish(), "");
      EXPECT_EQ(all, family.decoded[i]) << family.name;
    }
  }
}

TEST(TokenStream, GivesAnyBytesBackInTheEnd) {
  const auto tokenizer = MakeByteTokenizer({"<eos>"});
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i) {
      static constexpr char kInteresting[] = "\xE4\xBD\xA0\xF0\x9F\x98\x80\xC3\xA9\xED\xA0\xFF-a";
      bytes += kInteresting[random() % (sizeof(kInteresting) - 1)];
    }
    TokenStream stream(*tokenizer);
    std::string all;
    for (const int32_t id : tokenizer->Encode(bytes)) all += stream.Push(id);
    EXPECT_EQ(all + stream.Finish(), bytes);
  }
}

TEST(TokenStream, LeavesSpecialTokensOutWhenAsked) {
  const auto tokenizer = ReadTokenizer(kGolden + "tiny_sentencepiece.json");
  TokenStream stream(*tokenizer, /*skip_special=*/true);
  std::string all;
  for (const int32_t id : tokenizer->Encode("the cat", /*add_bos=*/true)) all += stream.Push(id);
  EXPECT_EQ(all, "the cat") << "the space that SentencePiece puts first is no part of the text";
}

TEST(SentencePieceBpe, PutsTheBeginningOfTextWhereThePostProcessorWantsIt) {
  const auto tokenizer = ReadTokenizer(kGolden + "tiny_sentencepiece.json");
  Ids expected = tokenizer->Encode("the cat");
  expected.insert(expected.begin(), *tokenizer->TokenId("<s>"));
  EXPECT_EQ(tokenizer->Encode("the cat", /*add_bos=*/true), expected);
}

TEST(SentencePieceBpe, GivesBackBytesThatAreNotUtf8) {
  const auto tokenizer = ReadTokenizer(kGolden + "tiny_sentencepiece.json");
  const std::string bytes = "a\xFF\xE4\xBD b\xC3";
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(bytes)), bytes);
}

TEST(SentencePieceBpe, DecodesAContinuationWithItsSpace) {
  const auto tokenizer = ReadTokenizer(kGolden + "tiny_sentencepiece.json");
  const Ids ids = tokenizer->Encode("cat");
  EXPECT_EQ(tokenizer->Decode(ids), "cat");
  EXPECT_EQ(tokenizer->Decode(ids, false, /*continues=*/true), " cat");
}

// unicode.org/Public/15.0.0/ucd/NormalizationTest.txt, rows of parts 0, 1 and 2.
TEST(Nfc, ComposesAsTheStandardsTestFileSays) {
  EXPECT_EQ(ComposeNfc("\u1E0A"), "\u1E0A");
  EXPECT_EQ(ComposeNfc("\u0044\u0307"), "\u1E0A");
  EXPECT_EQ(ComposeNfc("\u1E0C\u0307"), "\u1E0C\u0307");
  EXPECT_EQ(ComposeNfc("\u0044\u0307\u031B"), "\u1E0A\u031B");
  EXPECT_EQ(ComposeNfc("\u212B"), "\u00C5");
  EXPECT_EQ(ComposeNfc("\u0958"), "\u0915\u093C");
  EXPECT_EQ(ComposeNfc("\u1100\uAC00\u11A8"), "\u1100\uAC01");
  EXPECT_EQ(ComposeNfc("\uAC00\u11A7"), "\uAC00\u11A7");
  EXPECT_EQ(ComposeNfc("\U0001D15E"), "\U0001D157\U0001D165");
  EXPECT_EQ(ComposeNfc("a\u0315\u0300\u05AE\u0300b"), "\u00E0\u05AE\u0300\u0315b");
}

}  // namespace
}  // namespace cohort::policy
