#include "policy/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {
namespace {

using base::Json;

const std::string kGolden = COHORT_GOLDEN_DIR "/policy_text/";

Json TinyJson() { return Json::parse(base::ReadFile(kGolden + "tiny_bpe.json")); }

std::shared_ptr<const Tokenizer> TinyTokenizer() {
  return ReadTokenizer(kGolden + "tiny_bpe.json");
}

std::string ErrorOf(const Json& json) {
  try {
    MakeTokenizer(ParseTokenizerJson(json, "t.json"), "t.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what();
  }
  return "";
}

TEST(Tokenizer, GivesTheIdsOfHuggingFaceForEveryPreTokenizer) {
  std::vector<std::string> texts;
  std::map<std::string, std::vector<int32_t>> gpt2;  // the variants list only what differs
  int variants = 0, compared = 0;
  base::ForEachJsonLine(kGolden + "tiny_bpe_ids.jsonl", [&](const Json& row, int) {
    if (row.contains("texts")) {
      texts = row["texts"].get<std::vector<std::string>>();
      return;
    }
    Json json = TinyJson();
    json["pre_tokenizer"] = row["pre_tokenizer"];
    json["model"]["ignore_merges"] = row["ignore_merges"];
    const auto tokenizer = MakeTokenizer(ParseTokenizerJson(json, "t"), "t");
    const auto differing = row["ids"].get<std::map<std::string, std::vector<int32_t>>>();
    if (row["name"] == "gpt2") gpt2 = differing;
    ++variants;
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::string key = std::to_string(i);
      const auto& expected = differing.contains(key) ? differing.at(key) : gpt2.at(key);
      EXPECT_EQ(tokenizer->Encode(texts[i]), expected) << row["name"] << ": '" << texts[i] << "'";
      EXPECT_EQ(tokenizer->Encode(texts[i]), expected) << "from the cache, " << row["name"];
      ++compared;
    }
  });
  EXPECT_EQ(variants, 13);
  EXPECT_GT(compared, 1000);
}

TEST(Tokenizer, DecodesToTheExactBytesOfAnyText) {
  const auto tokenizer = TinyTokenizer();
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<char>(i));
  for (const std::string& text :
       {every_byte, std::string("caf\xc3\xa9 \xf0\x9f\x98\x80\n"), std::string("a\xff\xfe z"),
        std::string("cut \xe4\xbd"), std::string("\xed\xa0\x80 surrogate"), std::string()}) {
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text);
  }
}

TEST(Tokenizer, LeavesSpecialTokensOutWhenAsked) {
  const auto tokenizer = TinyTokenizer();
  const auto ids = tokenizer->Encode("<|im_start|>user<tool>");
  EXPECT_EQ(tokenizer->Decode(ids), "<|im_start|>user<tool>");
  EXPECT_EQ(tokenizer->Decode(ids, /*skip_special=*/true), "user<tool>");
}

// A model's embedding often has more rows than its tokenizer has tokens; `tokenizers` says nothing
// for those either.
TEST(Tokenizer, SaysNothingForIdsWithoutAToken) {
  const auto tokenizer = TinyTokenizer();
  std::vector<int32_t> ids = tokenizer->Encode("two");
  ids.insert(ids.begin() + 1, {tokenizer->vocab_size(), 1 << 30});
  EXPECT_EQ(tokenizer->Decode(ids), "two");
}

TEST(Tokenizer, RefusesNegativeIds) {
  EXPECT_THROW(TinyTokenizer()->Decode(std::vector<int32_t>{-1}), Error);
}

TEST(Tokenizer, IsTheSameAfterAWayThroughItsJson) {
  const auto first = TinyTokenizer();
  const Json json = first->ToJson();
  const auto second = MakeTokenizer(ParseTokenizerJson(json, "again"), "again");
  EXPECT_EQ(second->ToJson(), json);
  for (const std::string text : {"Hello  12345 <|im_end|> <tool>", " [L] x", "word"}) {
    EXPECT_EQ(second->Encode(text), first->Encode(text));
  }
  EXPECT_EQ(second->vocab_size(), first->vocab_size());
}

TEST(Tokenizer, AddsWhatThePostProcessorAddsOnlyWhenAsked) {
  Json json = TinyJson();
  json["post_processor"] = Json::parse(R"({"type":"Sequence","processors":[
      {"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},
      {"type":"TemplateProcessing",
       "single":[{"SpecialToken":{"id":"<|im_start|>","type_id":0}},
                 {"Sequence":{"id":"A","type_id":0}},
                 {"SpecialToken":{"id":"<|im_end|>","type_id":0}}],
       "pair":[],
       "special_tokens":{"<|im_start|>":{"id":"<|im_start|>","ids":[1],"tokens":["<|im_start|>"]},
                         "<|im_end|>":{"id":"<|im_end|>","ids":[2],"tokens":["<|im_end|>"]}}}]})");
  const auto tokenizer = MakeTokenizer(ParseTokenizerJson(json, "t"), "t");
  const auto plain = tokenizer->Encode("hello");
  auto around = plain;
  around.insert(around.begin(), 1);
  around.push_back(2);
  EXPECT_EQ(tokenizer->Encode("hello", /*add_bos=*/true), around);
  EXPECT_EQ(plain, TinyTokenizer()->Encode("hello"));
}

TEST(Tokenizer, FindsTokensByTheirText) {
  const auto tokenizer = TinyTokenizer();
  EXPECT_EQ(tokenizer->TokenId("<|im_end|>"), 2);
  EXPECT_EQ(tokenizer->TokenId("<|no_such_token|>"), std::nullopt);
}

TEST(Tokenizer, RefusesByNameWhatByteLevelBpeCannotBe) {
  const auto with = [](const char* pointer, Json value) {
    Json json = TinyJson();
    json[Json::json_pointer(pointer)] = std::move(value);
    return ErrorOf(json);
  };
  EXPECT_NE(with("/model/byte_fallback", true).find("byte_fallback"), std::string::npos);
  EXPECT_NE(with("/pre_tokenizer", {{"type", "Whitespace"}}).find("Whitespace"), std::string::npos);
  EXPECT_NE(with("/decoder", {{"type", "WordPiece"}}).find("WordPiece"), std::string::npos);
}

TEST(Tokenizer, AnswersEveryTruncationAndDamageWithAnErrorOrATokenizer) {
  const std::string whole = base::ReadFile(kGolden + "tiny_bpe.json");
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "damaged_tokenizer.json";
  int refused = 0;
  for (size_t length = 0; length < whole.size(); length += 997) {
    base::WriteFileDurably(path, whole.substr(0, length));
    try {
      ReadTokenizer(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_NE(std::string(error.what()).find("damaged_tokenizer.json"), std::string::npos);
      ++refused;
    }
  }
  EXPECT_GE(refused, 20);
  for (size_t at = 0; at < whole.size(); at += 61) {  // one byte changed
    std::string damaged = whole;
    damaged[at] = at % 2 == 0 ? '7' : '"';
    const Json json = Json::parse(damaged, nullptr, false);
    if (json.is_discarded()) continue;
    try {
      MakeTokenizer(ParseTokenizerJson(json, "t"), "t")->Encode("Hello 12 <|im_end|>\n");
    } catch (const Error&) {
    }
  }
  std::filesystem::remove(path);
}

TEST(Tokenizer, SaysWhichFileIsMissing) {
  try {
    ReadTokenizer("/no/such/tokenizer.json");
    FAIL() << "a missing file was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_NE(std::string(error.what()).find("/no/such/tokenizer.json"), std::string::npos);
  }
}

TEST(ByteTokenizer, MakesEachByteItsOwnId) {
  const auto tokenizer = MakeByteTokenizer({"<eos>", "<pad>"});
  EXPECT_EQ(tokenizer->vocab_size(), 258);
  EXPECT_EQ(tokenizer->Encode("A\xc3\xa9\n<eos>"),
            (std::vector<int32_t>{0x41, 0xC3, 0xA9, 0x0A, 256}));
  EXPECT_EQ(tokenizer->TokenId("<pad>"), 257);
  const std::string any("\x00\xff\x80 z", 5);
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(any)), any);
  const auto again = MakeTokenizer(ParseTokenizerJson(tokenizer->ToJson(), "t"), "t");
  EXPECT_EQ(again->Encode("1 + 1 = 2<eos>"), tokenizer->Encode("1 + 1 = 2<eos>"));
}

}  // namespace
}  // namespace cohort::policy
