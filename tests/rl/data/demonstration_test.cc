#include "rl/data/demonstration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "policy/prompt_encoding.h"

namespace cohort::rl {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;

constexpr char kChatMl[] =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

policy::Model MakeModel(const std::string& chat_template) {
  policy::Model model;
  model.tokenizer = policy::MakeByteTokenizer({"<|im_start|>", "<|im_end|>", "<|call|>"});
  model.chat_template = std::make_shared<policy::ChatTemplate>(chat_template);
  model.config.eos_ids = {*model.tokenizer->TokenId("<|im_end|>")};
  model.chat_variables = Json::object();
  return model;
}

// A row of these turns, user and assistant in turn, the last of them the completion.
Problem Chat(const std::vector<std::string>& contents) {
  Problem problem;
  problem.messages = Json::array();
  for (size_t i = 0; i < contents.size(); ++i) {
    problem.messages.push_back(
        {{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", contents[i]}});
  }
  problem.last_turn = problem.messages.back();
  problem.completion = contents.back();
  problem.messages.erase(problem.messages.size() - 1);
  return problem;
}

// The text of each sequence with what is learnt in [[brackets]].
std::vector<std::string> Show(const policy::Model& model, const Problem& problem) {
  std::vector<std::string> shown;
  for (const Demonstration& row : EncodeDemonstration(model, problem)) {
    std::string text = model.tokenizer->Decode(row.prompt_ids);
    bool inside = false;
    for (size_t i = 0; i < row.completion_ids.size(); ++i) {
      const bool learnt = row.loss_mask.empty() || row.loss_mask[i] != 0;
      if (learnt != inside) text += learnt ? "[[" : "]]";
      inside = learnt;
      text += model.tokenizer->Decode({&row.completion_ids[i], 1}, false, /*continues=*/true);
    }
    shown.push_back(text + (inside ? "]]" : ""));
  }
  return shown;
}

TEST(Demonstration, LearnsEveryAssistantTurnWithItsEndAndNothingElse) {
  EXPECT_THAT(Show(MakeModel(kChatMl), Chat({"a", "b", "c", "d"})),
              ElementsAre("<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n[[b<|im_end|>]]\n"
                          "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n[[d<|im_end|>]]"));
}

TEST(Demonstration, OfOneTurnIsThePromptThenCompletionAndStop) {
  const policy::Model model = MakeModel(kChatMl);
  const Problem problem = Chat({"2+2?", "4"});
  const auto rows = EncodeDemonstration(model, problem);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].prompt_ids, EncodeMessages(model, problem.messages).ids);
  EXPECT_EQ(rows[0].completion_ids, EncodeCompletion(model, "4"));
  EXPECT_TRUE(rows[0].loss_mask.empty());
}

TEST(Demonstration, LeavesSystemAndToolTurnsOut) {
  policy::Model model = MakeModel(kChatMl);
  Problem problem = Chat({"w?", "call", "", "20 degrees"});
  problem.messages[2] = Json::parse(R"({"role": "tool", "content": "20"})");
  problem.messages.insert(problem.messages.begin(),
                          Json::parse(R"({"role": "system", "content": "S"})"));
  EXPECT_THAT(
      Show(model, problem),
      ElementsAre("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nw?<|im_end|>\n"
                  "<|im_start|>assistant\n[[call<|im_end|>]]\n<|im_start|>tool\n20<|im_end|>\n"
                  "<|im_start|>assistant\n[[20 degrees<|im_end|>]]"));
}

TEST(Demonstration, LearnsToolCallsAsTheTemplateWritesThem) {
  const policy::Model model = MakeModel(
      "{% for t in tools or [] %}{{ t.name }};{% endfor %}"
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}"
      "{% for c in m.tool_calls or [] %}<|call|>{{ c | tojson }}{% endfor %}<|im_end|>{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}");
  Problem problem = Chat({"w?", ""});
  problem.tools = Json::parse(R"([{"name": "f"}])");
  problem.last_turn = Json::parse(
      R"({"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"z": 1, "a": 2}}]})");
  EXPECT_THAT(Show(model, problem),
              ElementsAre("f;<|im_start|>user\nw?<|im_end|><|im_start|>assistant\n[[<|call|>"
                          R"({"name": "f", "arguments": {"z": 1, "a": 2}}<|im_end|>]])"));
}

TEST(Demonstration, TakesTheTemplatesWordForWhatTheAssistantWrote) {
  const policy::Model model = MakeModel(
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}"
      "{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}{{ '\n' }}{% else %}{{ "
      "m.content }}"
      "<|im_end|>\n{% endif %}{% endfor %}");
  EXPECT_THAT(Show(model, Chat({"a", "b", "c", "d"})),
              ElementsAre("<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n[[b<|im_end|>]]\n"
                          "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n[[d<|im_end|>]]"));
  const policy::Model nothing =
      MakeModel("{% if false %}{% generation %}{% endgeneration %}{% endif %}");
  EXPECT_THROW(Show(nothing, Chat({"a", "b"})), Error);
}

// As Qwen 3 and DeepSeek-R1 do it.
TEST(Demonstration, SplitsAChatWhoseEarlierTurnsChangeWhenLaterOnesFollow) {
  const policy::Model model = MakeModel(
      "{% for m in messages %}<|im_start|>{{ m.role }}\n"
      "{{ m.content if loop.last else m.content.split('</think>')[-1] }}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}");
  EXPECT_THAT(Show(model, Chat({"a", "<think>x</think>b", "c", "<think>y</think>d"})),
              ElementsAre("<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
                          "[[<think>x</think>b<|im_end|>]]",
                          "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
                          "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n"
                          "[[<think>y</think>d<|im_end|>]]"));
  EXPECT_EQ(Show(model, Chat({"a", "b", "c", "d"})).size(), 1u)
      << "nothing changes without <think>";
}

TEST(Demonstration, DoesNotRepeatWhatTheGenerationPromptSaysForTheModel) {
  const policy::Model model = MakeModel(
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}"
      "<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}");
  const std::string prompt = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>\n";
  EXPECT_THAT(Show(model, Chat({"a", "<think>\nx</think>b"})),
              ElementsAre(prompt + "[[x</think>b<|im_end|>]]"));
  EXPECT_THAT(Show(model, Chat({"a", "x</think>b"})),
              ElementsAre(prompt + "[[x</think>b<|im_end|>]]"));
}

TEST(Demonstration, TeachesToStopWhereTheTemplateDoesNot) {
  const policy::Model model = MakeModel(
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
      "{% if add_generation_prompt %}assistant: {% endif %}");
  EXPECT_THAT(Show(model, Chat({"a", "b", "c", "d"})),
              ElementsAre("user: a\nassistant: [[b\n]]user: c\nassistant: [[d\n<|im_end|>]]"));
}

TEST(Demonstration, BeginsATurnWithATokenOfItsOwnAsGenerationDoes) {
  policy::Model model = MakeModel(kChatMl);
  model.tokenizer = policy::ReadTokenizer(COHORT_GOLDEN_DIR "/policy_text/tiny_bpe.json");
  model.config.eos_ids = {*model.tokenizer->TokenId("<|im_end|>")};
  for (const std::string answer : {"\n\nSo 4", "four", " 4", "\n"}) {
    const Problem problem = Chat({"2+2?", answer});
    const auto rows = EncodeDemonstration(model, problem);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].prompt_ids, EncodeMessages(model, problem.messages).ids) << answer;
    EXPECT_EQ(rows[0].completion_ids, EncodeCompletion(model, answer)) << answer;
  }
}

TEST(Demonstration, OfASentencePieceModelHasNoSpacesThatTheTextHasNot) {
  policy::Model model = MakeModel(
      "{% for m in messages %}{% if m.role == 'user' %}[INST]{{ m.content }} [/INST]{% else %} "
      "{{ m.content }}</s>{% endif %}{% endfor %}");
  model.tokenizer = policy::ReadTokenizer(COHORT_GOLDEN_DIR "/policy_text/tiny_sentencepiece.json");
  model.config.eos_ids = {*model.tokenizer->TokenId("</s>")};
  const Problem problem = Chat({"the cat", "a dog", "and", "so on"});
  const auto rows = EncodeDemonstration(model, problem);
  ASSERT_EQ(rows.size(), 1u);
  std::vector<int32_t> all = rows[0].prompt_ids;
  all.insert(all.end(), rows[0].completion_ids.begin(), rows[0].completion_ids.end());
  EXPECT_EQ(all, model.tokenizer->Encode("[INST]the cat [/INST] a dog</s>[INST]and [/INST] so on"
                                         "</s>"));
  EXPECT_THAT(Show(model, problem),
              ElementsAre("[INST] the cat [/INST][[ a dog</s>]][INST] and [/INST][[ so on</s>]]"));
}

TEST(Demonstration, OfAPlainPromptIsCompletionAndStop) {
  policy::Model model = MakeModel(kChatMl);
  model.chat_template = nullptr;
  Problem problem;
  problem.prompt = "1+1=";
  problem.completion = "2";
  EXPECT_THAT(Show(model, problem), ElementsAre("1+1=[[2<|im_end|>]]"));
  EXPECT_THROW(EncodeDemonstration(model, Chat({"a", "b"})), Error);
}

}  // namespace
}  // namespace cohort::rl
