#include "rl/data/prompt_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "rl/data/json_lines_rows.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;

const nlohmann::json kRow = {
    {"question", "1 + {level}?"}, {"level", 3}, {"test_list", {"assert a", "assert b"}}};

TEST(PromptTemplate, PutsColumnsInPlaceOfTheirNames) {
  EXPECT_EQ(FillTemplate("Q ({level}): {question}\n{test_list}", kRow),
            "Q (3): 1 + {level}?\nassert a\nassert b");
}

TEST(PromptTemplate, LeavesOtherBracesAlone) {
  for (const char* text : {"\\boxed{}", "{1, 2}", "{ level }", "{", "}", "{level", "{1}", "{{"}) {
    EXPECT_EQ(FillTemplate(text, kRow), text);
  }
  EXPECT_EQ(FillTemplate("\\boxed{{level}}", kRow), "\\boxed{3}");
}

TEST(PromptTemplate, NamesAColumnThatIsNotThere) {
  try {
    FillTemplate("{questoin}", kRow);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'questoin'"));
    EXPECT_THAT(error.what(), HasSubstr("did you mean 'question'?"));
  }
}

TEST(PromptTemplate, RewardsSeeTheQuestionWithoutIt) {
  const base::TemporaryFolder folder;
  proto::Data data;
  data.set_prompt_template("Solve {prompt}!");
  data.set_instruction("Be brief.");
  const std::string row = R"({"prompt":"1+1","answer":"2"})";
  const auto text = LoadProblems(data, folder.Write("a.jsonl", row), RowKind::kHeldOut).problems;
  EXPECT_EQ(text[0].prompt, "Be brief.\nSolve 1+1!");
  EXPECT_EQ(text[0].question, "1+1");
  data.set_chat(true);
  const auto chat = LoadProblems(data, folder.Write("a.jsonl", row), RowKind::kHeldOut).problems;
  EXPECT_EQ(chat[0].messages.back()["content"], "Solve 1+1!");
  EXPECT_EQ(chat[0].question, "1+1");
}

}  // namespace
}  // namespace cohort::rl
