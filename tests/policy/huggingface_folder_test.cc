// Tokenizers, templates and end tokens of folders, against transformers 5.24 on the same files.

#include "policy/huggingface_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/exact_json.h"
#include "base/temporary_folder.h"
#include "policy/prompt_encoding.h"

namespace cohort::policy {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A llama of 262 tokens: the bytes, <s> 256, </s> 257, <pad> 258, <unk> 259, <|eot|> 260,
// <|im_end|> 261.
class HuggingFaceFolder : public ::testing::Test {
 protected:
  HuggingFaceFolder() {
    config_ = json::parse(
        base::ReadFile(std::filesystem::path(COHORT_GOLDEN_DIR) / "policy/tiny_llama/config.json"));
    config_["vocab_size"] = 262;
    config_.erase("eos_token_id");
    Write("config.json", config_);
    Write("tokenizer.json",
          MakeByteTokenizer({"<s>", "</s>", "<pad>", "<unk>", "<|eot|>", "<|im_end|>"})->ToJson());
  }

  void Write(const std::string& name, const json& value) { WriteText(name, value.dump()); }
  void WriteText(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    base::WriteFileDurably(folder_ / name, text);
  }
  Model Read() const { return ReadHuggingFaceFolder(folder_); }
  std::string Chat(const TemplateInputs& inputs = {}) const {
    const ordered_json messages = {{{"role", "user"}, {"content", "x"}}};
    return EncodeMessages(Read(), messages, inputs).text;
  }
  template <typename Action>
  std::string ErrorOf(Action action) const {
    try {
      action();
    } catch (const Error& error) {
      return std::string(error.what()) + " | " + error.hint();
    }
    return "(no error)";
  }

  const base::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  json config_;
};

TEST_F(HuggingFaceFolder, EndTokensAreThoseOfAllItsFiles) {
  EXPECT_THAT(Read().config.eos_ids, ElementsAre());
  Write("generation_config.json", {{"eos_token_id", {257, 260}}});
  EXPECT_THAT(Read().config.eos_ids, ElementsAre(257, 260));
  Write("tokenizer_config.json", {{"eos_token", "<|im_end|>"}});
  EXPECT_THAT(Read().config.eos_ids, ElementsAre(261, 257, 260));
  config_["eos_token_id"] = 257;
  Write("config.json", config_);
  EXPECT_THAT(Read().config.eos_ids, ElementsAre(257, 261, 260));
  Write("generation_config.json", {{"eos_token_id", 260}});
  EXPECT_THAT(Read().config.eos_ids, ElementsAre(257, 261, 260));
}

TEST_F(HuggingFaceFolder, DropoutThatIsNotAppliedIsSaid) {
  config_["attention_dropout"] = 0.1;
  config_["resid_pdrop"] = 0.0;
  Write("config.json", config_);
  testing::internal::CaptureStderr();
  Read();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("config.json: not applied"));
  EXPECT_THAT(said, HasSubstr("attention_dropout 0.1\n"));
  EXPECT_THAT(said, Not(HasSubstr("resid_pdrop")));
}

TEST_F(HuggingFaceFolder, AnEndTokenThatIsNoIdIsRefusedByFileAndField) {
  Write("generation_config.json", {{"eos_token_id", "</s>"}});
  EXPECT_THAT(ErrorOf([&] { Read(); }),
              HasSubstr("generation_config.json: eos_token_id is \"</s>\""));
}

TEST_F(HuggingFaceFolder, AnEndTokenOutsideOfTheVocabularyIsLeftOut) {
  Write("generation_config.json", {{"eos_token_id", {257, 90000}}});
  EXPECT_THAT(Read().config.eos_ids, ElementsAre(257));
}

TEST_F(HuggingFaceFolder, TemplatesReadVariablesOfTheUser) {
  Write("tokenizer_config.json",
        {{"chat_template",
          "{% if enable_thinking is defined and not enable_thinking %}NO{% endif "
          "%}THINK{{ effort }}"}});
  EXPECT_EQ(Chat(), "THINK");
  EXPECT_EQ(Chat({nullptr, {{"enable_thinking", false}, {"effort", "high"}}}), "NOTHINKhigh");
  const auto line = ordered_json::parse(
      R"({"id": 1, "messages": [], "enable_thinking": false, "chat_template_kwargs": {"effort": 2}})");
  EXPECT_EQ(Chat(ReadTemplateInputs(line)), "NOTHINK2");
}

TEST_F(HuggingFaceFolder, AUserChoosesAmongTheTemplatesByName) {
  Write("tokenizer_config.json",
        {{"chat_template", {{"default", "d"}, {"tool_use", "t"}, {"rag", "r"}}}});
  EXPECT_EQ(Chat({nullptr, nullptr, "rag"}), "r");
  EXPECT_EQ(Chat({{{{"name", "f"}}}, nullptr, "default"}), "d");
  EXPECT_EQ(ErrorOf([&] {
              Chat({nullptr, nullptr, "rags"});
            }),
            "the model has no chat template named 'rags'; did you mean 'rag'? | it has: default, "
            "rag, tool_use");
  Write("tokenizer_config.json", {{"chat_template", {{"rag", "r"}}}});
  EXPECT_THAT(ErrorOf([&] { Chat(); }),
              HasSubstr("only those named rag | data.chat_template=NAME"));
  EXPECT_EQ(Chat({nullptr, nullptr, "rag"}), "r");
  EXPECT_THAT(ErrorOf([&] { Chat({nullptr, nullptr, "default"}); }), HasSubstr("it has: rag"));
}

TEST_F(HuggingFaceFolder, IntegersOfTemplateVariablesKeepTheirDigits) {
  Write("tokenizer_config.json",
        {{"chat_template", "{{ n }} {{ n + 1 }} {{ n | tojson }} {{ f }}"}});
  const auto line = base::ParseExactOrderedJson(
      R"({"messages": [], "n": 123456789012345678901234567890, "f": 1e20})");
  EXPECT_EQ(Chat(ReadTemplateInputs(line)),
            "123456789012345678901234567890 123456789012345678901234567891 "
            "123456789012345678901234567890 1e+20");
}

TEST_F(HuggingFaceFolder, TheTemplateForToolsIsTakenWhereThereAreTools) {
  const TemplateInputs tools{{{{"name", "f"}}}, nullptr};
  Write("tokenizer_config.json",
        {{"chat_template",
          {{{"name", "default"}, {"template", "D"}}, {{"name", "tool_use"}, {"template", "T"}}}}});
  EXPECT_EQ(Chat(), "D");
  EXPECT_EQ(Chat(tools), "T");
  Write("tokenizer_config.json", {{"chat_template", {{"default", "d"}, {"tool_use", "t"}}}});
  EXPECT_EQ(Chat(), "d");
  EXPECT_EQ(Chat(tools), "t");
  WriteText("additional_chat_templates/tool_use.jinja", "file");
  EXPECT_EQ(Chat(tools), "file");
  WriteText("chat_template.jinja", "default file");
  EXPECT_EQ(Chat(), "default file");
}

TEST_F(HuggingFaceFolder, NamedTemplatesWithoutADefaultAreRefusedByName) {
  Write("tokenizer_config.json", {{"chat_template", {{"rag", "r"}, {"tool_use", "t"}}}});
  EXPECT_THAT(ErrorOf([&] { Chat(); }), HasSubstr("only those named rag, tool_use"));
}

TEST_F(HuggingFaceFolder, ATemplateThatCannotBeParsedRefusesChatsOnly) {
  Write("tokenizer_config.json", {{"chat_template", "{{ x | nonsense }}"}});
  EXPECT_THAT(EncodeText(Read(), "a").ids, ElementsAre('a'));
  EXPECT_THAT(ErrorOf([&] { Chat(); }), HasSubstr("filter 'nonsense' is not known"));
}

TEST_F(HuggingFaceFolder, TemplatesReadSpecialTokensOfEveryFile) {
  WriteText("chat_template.jinja",
            "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ sep_token }}|{{ cls_token }}|{{ "
            "mask_token }}|{{ image_token }}");
  EXPECT_EQ(Chat(), "||||||");
  Write("special_tokens_map.json",
        {{"bos_token", "<s>"}, {"eos_token", {{"content", "</s>"}}}, {"pad_token", "<pad>"}});
  EXPECT_EQ(Chat(), "<s>|</s>|<pad>||||");
  Write("tokenizer_config.json", {{"sep_token", "<unk>"},
                                  {"cls_token", "<s>"},
                                  {"mask_token", "<pad>"},
                                  {"image_token", "<i>"},
                                  {"add_bos_token", true}});
  EXPECT_EQ(Chat(), "<s>|</s>|<pad>|<unk>|<s>|<pad>|<i>");
  Write("tokenizer_config.json",
        {{"bos_token", "<unk>"}, {"added_tokens_decoder", json::object()}});
  EXPECT_EQ(Chat(), "<unk>||||||");  // the map is not read beside an added_tokens_decoder
}

TEST_F(HuggingFaceFolder, TokensOfAddedTokensDecoderAreTokens) {
  config_["vocab_size"] = 263;
  Write("config.json", config_);
  Write("tokenizer_config.json",
        {{"added_tokens_decoder",
          {{"262", {{"content", "<new>"}, {"special", true}}},
           {"257", {{"content", "</s>"}, {"special", true}, {"lstrip", true}}}}}});
  EXPECT_THAT(EncodeText(Read(), "a<new>b").ids, ElementsAre('a', 262, 'b'));
  EXPECT_THAT(EncodeText(Read(), "a </s>").ids, ElementsAre('a', 257));  // its flags win
  Write("tokenizer_config.json", {{"added_tokens_decoder", {{"256", {{"content", "<other>"}}}}}});
  EXPECT_THAT(ErrorOf([&] { Read(); }), HasSubstr("tokenizer.json has another token of that id"));
}

TEST_F(HuggingFaceFolder, ATokenBeyondTheVocabularyIsRefusedWhereATextHasIt) {
  config_["vocab_size"] = 261;
  Write("config.json", config_);
  EXPECT_THAT(EncodeText(Read(), "ab").ids, ElementsAre('a', 'b'));
  EXPECT_THAT(ErrorOf([&] { EncodeText(Read(), "a<|im_end|>"); }),
              HasSubstr("the text has the token '<|im_end|>' of id 261, but config.json has "
                        "vocab_size 261"));
}

TEST_F(HuggingFaceFolder, TextsNeedNoConfig) {
  std::filesystem::remove(folder_ / "config.json");
  WriteText("chat_template.jinja", "C");
  const Model model = LoadModelTexts(folder_.string());
  EXPECT_THAT(EncodeText(model, "a</s>").ids, ElementsAre('a', 257));
  EXPECT_EQ(TemplateFor(model, {}).source(), "C");
}

TEST_F(HuggingFaceFolder, IdsNeedNoTokenizerAndTextsSayHowToMakeOne) {
  std::filesystem::remove(folder_ / "tokenizer.json");
  WriteText("tokenizer.model", "");
  const Model model = Read();
  EXPECT_EQ(model.config.vocab_size, 262);
  EXPECT_THAT(
      ErrorOf([&] { EncodeText(model, "a"); }),
      ::testing::AllOf(HasSubstr("tokenizer.json does not exist"),
                       HasSubstr("SentencePiece tokenizer.model"), HasSubstr("save_pretrained")));
}

TEST_F(HuggingFaceFolder, AnExportWithoutItsTokenizerWritesNothing) {
  std::filesystem::remove(folder_ / "tokenizer.json");
  Model model = LoadModel(std::string(COHORT_GOLDEN_DIR) + "/policy/tiny_llama");
  model.tokenizer = Read().tokenizer;
  const std::filesystem::path out = folder_ / "out";
  EXPECT_THAT(ErrorOf([&] { SaveModel(model, out); }), HasSubstr("tokenizer.json does not exist"));
  EXPECT_FALSE(std::filesystem::exists(out / "model.safetensors"));
}

TEST_F(HuggingFaceFolder, WhatIsNotAppliedOfDualChunksIsSaid) {
  config_["dual_chunk_attention_config"] = {{"chunk_size", 32}, {"local_size", 8}};
  Write("config.json", config_);
  testing::internal::CaptureStderr();
  EXPECT_EQ(Read().config.max_positions, 32);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("dual_chunk_attention_config is left out: sequences end at its chunk_size, "
                        "32 tokens"));
}

TEST_F(HuggingFaceFolder, AnExportKeepsGenerationConfigAndNamedTemplates) {
  Model model = LoadModel(std::string(COHORT_GOLDEN_DIR) + "/policy/tiny_llama");
  const json generation = {
      {"eos_token_id", {1, 2}}, {"temperature", 0.6}, {"top_p", 0.95}, {"do_sample", true}};
  model.generation_config = generation;
  model.named_templates["tool_use"] = ChatTemplate::Deferred("{{ broken");
  model.tokenizer = nullptr;
  SaveModel(model, folder_);
  EXPECT_EQ(json::parse(base::ReadFile(folder_ / "generation_config.json")), generation);
  EXPECT_EQ(base::ReadFile(folder_ / "additional_chat_templates/tool_use.jinja"), "{{ broken");
}

}  // namespace
}  // namespace cohort::policy
