// A malformed tokenizer.json is refused with file, place, what was found and expected.

#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {
namespace {

using Json = nlohmann::json;

class TokenizerJson : public testing::Test {
 protected:
  // The error after `value` is put at `pointer`.
  std::string With(const char* pointer, Json value) {
    Json json = good_;
    json[Json::json_pointer(pointer)] = std::move(value);
    return ErrorOf(json);
  }
  std::string Without(const char* pointer) {
    return ErrorOf(good_.patch({{{"op", "remove"}, {"path", pointer}}}));
  }
  static std::string ErrorOf(const Json& json) {
    try {
      MakeTokenizer(ParseTokenizerJson(json, "t.json"), "t.json");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      return error.what();
    }
    return "(no error)";
  }
  static std::string ErrorOfFile(const std::string& text) {
    const std::filesystem::path path =
        std::filesystem::path(testing::TempDir()) / "tokenizer_json_test.json";
    base::WriteFileDurably(path, text);
    std::string what = "(no error)";
    try {
      ReadTokenizer(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      what = error.what();
    }
    std::filesystem::remove(path);
    return what.substr(what.rfind('/') + 1);
  }

  const Json good_ =
      Json::parse(base::ReadFile(COHORT_GOLDEN_DIR "/policy_text/tiny_sentencepiece.json"));
};

TEST_F(TokenizerJson, AModelIsNeeded) {
  EXPECT_EQ(ErrorOf(good_), "(no error)");
  EXPECT_EQ(ErrorOf(Json::array()), "t.json: the whole is a list; expected an object");
  EXPECT_EQ(Without("/model"), "t.json: model is missing; expected an object");
  EXPECT_EQ(With("/model", 3), "t.json: model is 3; expected an object");
  EXPECT_EQ(With("/model/type", "Unigram"), "t.json: model of type 'Unigram' is not supported");
  EXPECT_EQ(With("/model/dropout", 0.5),
            "t.json: model.dropout is 0.5; expected null, the only value supported");
}

TEST_F(TokenizerJson, VocabMapsTokensToIdsOfTheirOwn) {
  const std::string ids = "; expected an integer from 0 to 4000000";
  EXPECT_EQ(Without("/model/vocab"),
            "t.json: model.vocab is missing; expected an object from token to id");
  EXPECT_EQ(With("/model/vocab", Json::object()),
            "t.json: model.vocab is an object; expected an object from token to id");
  EXPECT_EQ(With("/model/vocab/a", -4), "t.json: model.vocab.a is -4" + ids);
  EXPECT_EQ(With("/model/vocab/a", 1.5), "t.json: model.vocab.a is 1.5" + ids);
  EXPECT_EQ(With("/model/vocab/a", 5000000000), "t.json: model.vocab.a is 5000000000" + ids);
  EXPECT_EQ(With("/model/vocab/a", "3"), "t.json: model.vocab.a is \"3\"" + ids);
  EXPECT_EQ(With("/model/vocab/zz", 1), "t.json: model.vocab has '<s>' and 'zz' share id 1");
  EXPECT_EQ(With("/model/vocab/", 4000),
            "t.json: model.vocab has the empty text as a token; expected at least one byte");
}

TEST_F(TokenizerJson, MergesJoinTokensIntoTokens) {
  const std::string pair = "; expected \"left right\" or [\"left\", \"right\"]";
  EXPECT_EQ(Without("/model/merges"), "t.json: model.merges is missing; expected a list");
  EXPECT_EQ(With("/model/merges", "x"), "t.json: model.merges is \"x\"; expected a list");
  EXPECT_EQ(With("/model/merges/3", 7), "t.json: model.merges[3] is 7" + pair);
  EXPECT_EQ(With("/model/merges/3", {"a", "b", "c"}), "t.json: model.merges[3] is a list" + pair);
  EXPECT_EQ(With("/model/merges/3", "abc"),
            "t.json: merge 3 is 'abc'; expected two tokens with one space between them");
  EXPECT_EQ(With("/model/merges/3", {"qq", "a"}),
            "t.json: merge 3 ('qq' + 'a') needs 'qqa', which is not in the vocabulary");
}

TEST_F(TokenizerJson, AddedTokensHaveAContentAndAnId) {
  EXPECT_EQ(With("/added_tokens", 1), "t.json: added_tokens is 1; expected a list");
  EXPECT_EQ(With("/added_tokens/1", 1), "t.json: added_tokens[1] is 1; expected an object");
  EXPECT_EQ(Without("/added_tokens/1/content"),
            "t.json: added_tokens[1].content is missing; expected a text");
  EXPECT_EQ(With("/added_tokens/1/content", nullptr),
            "t.json: added_tokens[1].content is null; expected a text");
  EXPECT_EQ(Without("/added_tokens/1/id"),
            "t.json: added_tokens[1].id is missing; expected a token id");
  EXPECT_EQ(With("/added_tokens/1/id", "x"),
            "t.json: added_tokens[1].id is \"x\"; expected an integer from 0 to 4000000");
  EXPECT_EQ(With("/added_tokens/1/id", 2),
            "t.json: added_tokens[1].id is 2; expected 1, the id of '<s>' in model.vocab");
  EXPECT_EQ(With("/added_tokens/1/lstrip", "no"),
            "t.json: added_tokens[1].lstrip is \"no\"; expected true or false");
}

TEST_F(TokenizerJson, TheNormalizerIsOneOfThoseKnown) {
  EXPECT_EQ(With("/normalizer", {{"type", "Lowercase"}}),
            "t.json: normalizer of type 'Lowercase' is not supported");
  EXPECT_EQ(With("/normalizer", 4), "t.json: normalizer is 4; expected an object");
  EXPECT_EQ(With("/normalizer/normalizers/1/pattern", {{"String", ""}}),
            "t.json: normalizer.normalizers[1].pattern.String is \"\"; expected a text that is not "
            "empty");
  EXPECT_EQ(With("/normalizer/normalizers/0/prepend", nullptr),
            "t.json: normalizer.normalizers[0].prepend is null; expected a text");
}

TEST_F(TokenizerJson, ThePreTokenizerIsOneOfThoseKnown) {
  EXPECT_EQ(With("/pre_tokenizer", {{"type", "Punctuation"}}),
            "t.json: pre_tokenizer of type 'Punctuation' is not supported");
  EXPECT_EQ(With("/pre_tokenizer", {{"kind", "Digits"}}),
            "t.json: pre_tokenizer.type is missing; expected a text");
  EXPECT_EQ(With("/pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "ab"}}),
            "t.json: pre_tokenizer.replacement is \"ab\"; expected one character");
  const Json split = {{"type", "Split"}, {"pattern", {{"Regex", "x"}}}, {"behavior", "Cut"}};
  EXPECT_EQ(With("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {split}}}),
            "t.json: pre_tokenizer.pretokenizers[0].behavior is \"Cut\"; expected Isolated, "
            "Removed, MergedWithPrevious, MergedWithNext or Contiguous");
  const Json open = {{"type", "Split"}, {"pattern", {{"Regex", "(x"}}}, {"behavior", "Isolated"}};
  EXPECT_EQ(With("/pre_tokenizer", open),
            "t.json: pre_tokenizer.pattern.Regex is refused: the pattern '(x' is not understood at "
            "offset 2: "
            "missing closing parenthesis");
}

TEST_F(TokenizerJson, ThePostProcessorsIdsAreTokens) {
  EXPECT_EQ(With("/post_processor", {{"type", "BertProcessing"}}),
            "t.json: post_processor of type 'BertProcessing' is not supported");
  EXPECT_EQ(With("/post_processor/special_tokens/<s>/ids/0", 70000),
            "t.json: post_processor.special_tokens['<s>'].ids[0] is 70000; expected an integer "
            "from 0 to 702");
  EXPECT_EQ(With("/post_processor/special_tokens", Json::object()),
            "t.json: post_processor.special_tokens['<s>'] is missing; expected an object");
}

TEST_F(TokenizerJson, TheDecoderFitsTheAlphabet) {
  EXPECT_EQ(With("/decoder", nullptr), "t.json: decoder is null; expected an object");
  EXPECT_EQ(Without("/decoder"),
            "t.json: decoder is missing; expected a decoder, or a pre_tokenizer that ends with "
            "ByteLevel");
  EXPECT_EQ(With("/decoder", {{"type", "WordPiece"}}),
            "t.json: decoder of type 'WordPiece' is not supported here");
  EXPECT_EQ(With("/decoder/decoders/3/stop", 1),
            "t.json: decoder.decoders[3].stop is 1; expected an integer from 0 to 0");
}

TEST_F(TokenizerJson, AFileCutShortIsToldWhere) {
  EXPECT_EQ(ErrorOfFile(R"({"model": {"vocab)"),
            "tokenizer_json_test.json: not valid JSON at byte 18 of 17");
}

TEST_F(TokenizerJson, ANumberBeyondTheMachinesIsRefused) {
  EXPECT_EQ(ErrorOfFile(R"({"model": 7e777})"),
            "tokenizer_json_test.json: not valid JSON: it has a number too large to read");
}

TEST_F(TokenizerJson, NestingIsBounded) {
  EXPECT_EQ(
      ErrorOfFile(R"({"model": )" + std::string(200000, '[') + std::string(200000, ']') + "}"),
      "tokenizer_json_test.json: values are nested deeper than 64 lists and objects");
}

}  // namespace
}  // namespace cohort::policy
