#include "rl/data/json_lines_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json_lines.h"
#include "base/temporary_folder.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;

class JsonLinesRowsTest : public testing::Test {
 protected:
  std::vector<Problem> Load(const std::string& text, RowKind kind = RowKind::kTraining) {
    return LoadProblems(data_, folder_.Write("d.jsonl", text), kind).problems;
  }
  std::string Fault(const std::string& text, RowKind kind = RowKind::kTraining) {
    try {
      Load(text, kind);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      return error.what();
    }
    return "(no error)";
  }

  base::TemporaryFolder folder_;
  proto::Data data_;
};

TEST_F(JsonLinesRowsTest, EveryOtherColumnReachesTheRewards) {
  const auto problems = Load(R"({"prompt":"2+2=","answer":4,"completion":"4","level":[1,"x"]})");
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].prompt, "2+2=");
  EXPECT_EQ(problems[0].answer, "4");
  EXPECT_EQ(problems[0].completion, "4");
  EXPECT_TRUE(problems[0].messages.is_null());
  EXPECT_EQ(problems[0].columns.dump(), R"({"level":[1,"x"]})");
}

TEST_F(JsonLinesRowsTest, ColumnsAreMappedAndPatternsStripped) {
  data_.set_prompt_field("question");
  data_.set_completion_field("answer");
  data_.set_strip_pattern("<<[^>]*>>");
  const auto problems = Load(R"({"question":"q","answer":"2*3 = <<2*3=6>>6, <<x>>so\n#### 6"})");
  EXPECT_EQ(problems[0].completion, "2*3 = 6, so\n#### 6");
  EXPECT_EQ(problems[0].answer, "2*3 = <<2*3=6>>6, <<x>>so\n#### 6");
  EXPECT_EQ(problems[0].columns.dump(), R"({"question":"q"})");
}

TEST_F(JsonLinesRowsTest, MappedColumnsReachTheRewardsUnderTheirOwnNames) {
  data_.set_prompt_field("problem");
  data_.set_answer_field("ground_truth");
  data_.set_completion_field("solution");
  const auto problems =
      Load(R"({"problem":"p","ground_truth":"4","solution":"2+2=4","answer":"other"})");
  EXPECT_EQ(problems[0].answer, "4");
  EXPECT_EQ(problems[0].columns.dump(),
            R"({"answer":"other","ground_truth":"4","problem":"p","solution":"2+2=4"})");
}

TEST_F(JsonLinesRowsTest, AChatGetsTheInstructionAsItsSystemMessage) {
  data_.set_chat(true);
  data_.set_instruction("Be brief.");
  const auto problems = Load(R"({"prompt":"Hi?","answer":""})");
  EXPECT_EQ(problems[0].prompt, "Hi?");
  EXPECT_EQ(problems[0].messages.dump(),
            R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Hi?"}])");
  data_.set_chat(false);
  EXPECT_EQ(Load(R"({"prompt":"Hi?","answer":""})")[0].prompt, "Be brief.\nHi?");
}

TEST_F(JsonLinesRowsTest, TemplateVariablesComeFromTheRowAndThenFromTheRecipe) {
  auto& kwargs = *data_.mutable_chat_template_kwargs();
  kwargs["enable_thinking"] = "False";
  kwargs["budget"] = "3";
  kwargs["date_string"] = "26 Jul 2024";
  const auto problems =
      Load(R"({"prompt":"a","answer":"","chat_template_kwargs":{"enable_thinking":true}})"
           "\n"
           R"({"prompt":"b","answer":"","chat_template_kwargs":"{\"budget\": null}"})");
  EXPECT_EQ(problems[0].chat_template_kwargs["enable_thinking"], true);
  EXPECT_EQ(problems[0].chat_template_kwargs["budget"], 3);
  EXPECT_EQ(problems[0].chat_template_kwargs["date_string"], "26 Jul 2024");
  EXPECT_EQ(problems[1].chat_template_kwargs["enable_thinking"], false);
  EXPECT_TRUE(problems[1].chat_template_kwargs["budget"].is_null());
  EXPECT_THAT(Fault(R"({"prompt":"a","answer":"","chat_template_kwargs":[1]})"),
              HasSubstr("chat_template_kwargs is [1]; expected an object"));
}

TEST_F(JsonLinesRowsTest, TheRecipeNamesTheChatTemplate) {
  EXPECT_EQ(Load(R"({"prompt":"a","answer":""})")[0].chat_template, "");
  data_.set_chat_template("rag");
  EXPECT_EQ(Load(R"({"prompt":"a","answer":""})")[0].chat_template, "rag");
}

TEST_F(JsonLinesRowsTest, IntegersOfAnySizeKeepTheirDigits) {
  const std::string big = "123456789012345678901234567890";
  data_.set_prompt_template("{n} and {l}");
  const auto problems =
      Load(R"({"prompt":"p","n":)" + big + R"(,"l":[)" + big + R"(],"answer":)" + big + "}");
  EXPECT_EQ(problems[0].prompt, big + " and " + big);
  EXPECT_EQ(problems[0].answer, big);
  EXPECT_THAT(base::DumpJson(problems[0].columns), HasSubstr("\"n\":" + big));
}

TEST_F(JsonLinesRowsTest, TheLastAssistantTurnIsTheDemonstration) {
  const auto problems =
      Load(R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
           R"({"role":"user","content":"c"},{"role":"assistant","content":"d"}]})");
  EXPECT_EQ(problems[0].completion, "d");
  EXPECT_EQ(problems[0].prompt, "c");
  EXPECT_EQ(problems[0].messages.size(), 3u);
}

TEST_F(JsonLinesRowsTest, ATurnKeepsItsOtherFieldsAndTheOrderOfTheirKeys) {
  const auto problems =
      Load(R"({"tools":[{"name":"f","a":1}],"messages":[{"role":"user","content":"a"},)"
           R"({"role":"assistant","tool_calls":[{"name":"f","arguments":{"z":1,"a":2}}]}]})",
           RowKind::kDemonstration);
  EXPECT_EQ(problems[0].completion, "");
  EXPECT_EQ(problems[0].last_turn["tool_calls"].dump(),
            R"([{"name":"f","arguments":{"z":1,"a":2}}])");
  EXPECT_EQ(problems[0].tools.dump(), R"([{"name":"f","a":1}])");
}

TEST_F(JsonLinesRowsTest, ThePatternIsStrippedFromEveryTurnThatIsLearnt) {
  data_.set_strip_pattern("<<[^>]*>>");
  const std::string chat =
      R"({"messages":[{"role":"user","content":"<<a>>"},{"role":"assistant","content":"b<<x>>"},)"
      R"({"role":"user","content":"c"},{"role":"assistant","content":"d<<y>>"}]})";
  const auto learnt = Load(chat, RowKind::kDemonstration);
  EXPECT_EQ(learnt[0].messages[0]["content"], "<<a>>");
  EXPECT_EQ(learnt[0].messages[1]["content"], "b");
  EXPECT_EQ(learnt[0].completion, "d");
  EXPECT_EQ(Load(chat)[0].messages[1]["content"], "b<<x>>") << "a prompt stays as it is";
}

TEST_F(JsonLinesRowsTest, AMissingColumnIsNamedWithLineAndNearestColumn) {
  EXPECT_THAT(Fault("{\"prompt\":\"a\",\"answer\":\"b\"}\n{\"promt\":\"a\",\"answer\":\"b\"}\n"),
              HasSubstr("d.jsonl:2: no column 'prompt'; did you mean 'promt'? (there are: answer, "
                        "promt)"));
  EXPECT_THAT(Fault("{\"prompt\":\"a\"}"), HasSubstr("d.jsonl:1: no column 'answer'"));
  EXPECT_EQ(Load(R"({"prompt":"a","tests":[]})")[0].answer, "") << "tests stand in for an answer";
  EXPECT_THAT(Fault("{\"prompt\":\"a\",\"completion\":\"b\"}", RowKind::kHeldOut),
              HasSubstr("d.jsonl:1: no column 'answer'"))
      << "held-out problems are graded";
  EXPECT_EQ(Fault("{\"prompt\":\"a\",\"completion\":\"b\"}"), "(no error)");
}

TEST_F(JsonLinesRowsTest, ARowWithoutADemonstrationIsNamedByLineWhereOneIsNeeded) {
  const std::string good = R"({"prompt":"a","completion":"b"})"
                           "\n";
  EXPECT_EQ(Fault(good, RowKind::kDemonstration), "(no error)");
  EXPECT_THAT(Fault(good + R"({"prompt":"a","answer":"b"})", RowKind::kDemonstration),
              HasSubstr("d.jsonl:2: no column 'completion'"));
  EXPECT_THAT(Fault(good + R"({"prompt":"a","completion":""})", RowKind::kDemonstration),
              HasSubstr("d.jsonl:2: an sft round needs demonstrations"));
  EXPECT_THAT(Fault(R"({"messages":[{"role":"user","content":"a"}],"answer":"b"})",
                    RowKind::kDemonstration),
              HasSubstr("d.jsonl:1: an sft round needs demonstrations"));
}

TEST_F(JsonLinesRowsTest, MalformedRowsAreNamedByLine) {
  EXPECT_THAT(Fault("{\"prompt\":\"a\",\"answer\":\"b\"}\n{\"prompt\":"), HasSubstr("d.jsonl:2: "));
  EXPECT_THAT(Fault(R"({"prompt":{"a":1},"answer":"b"})"),
              HasSubstr("d.jsonl:1: column 'prompt' must be a text or a number, not object"));
  EXPECT_THAT(Fault(R"({"messages":[{"role":"user"}]})"), HasSubstr("d.jsonl:1: every turn"));
  EXPECT_THAT(Fault(R"({"messages":"hello"})"), HasSubstr("d.jsonl:1: 'messages' must be a list"));
  EXPECT_THAT(Fault(R"({"messages":[{"role":"assistant","content":"x"}]})"),
              HasSubstr("no question"));
  EXPECT_THAT(Fault("\n\n"), HasSubstr("found none"));
  EXPECT_THROW(LoadProblems(data_, folder_.path() / "absent.jsonl", RowKind::kTraining), Error);
}

TEST_F(JsonLinesRowsTest, RowsThatCannotBeReadAreLeftOutAndCountedUpToTheStatedShare) {
  const std::string good = "{\"prompt\":\"a\",\"answer\":\"b\"}\n";
  const std::string text = good + "{\"prompt\":\n" + good + "{\"prompt\":\"a\"}\n" + good +
                           "{\"prompt\":[],\"answer\":\"b\"}\n" + good + "[1]\n" + good + good;
  EXPECT_THAT(Fault(text), HasSubstr("d.jsonl:2: ")) << "none, unless that is asked for";
  data_.set_max_unreadable_share(0.4);
  const LoadedRows rows = LoadProblems(data_, folder_.Write("d.jsonl", text), RowKind::kTraining);
  EXPECT_EQ(rows.problems.size(), 6u);
  EXPECT_TRUE(rows.problems[1].place.ends_with("d.jsonl:3"));
  EXPECT_EQ(rows.unreadable.count(), 4u);
  const nlohmann::json told = rows.unreadable.ToJson();
  EXPECT_EQ(told.at("rows"), 10);
  EXPECT_EQ(told.at("first").size(), 3u);
  EXPECT_THAT(rows.unreadable.Describe(), HasSubstr("4 of 10 rows of "));
  EXPECT_THAT(rows.unreadable.Describe(), HasSubstr("d.jsonl:4: no column 'answer'"));
  data_.set_max_unreadable_share(0.39);
  EXPECT_THAT(Fault(text), HasSubstr("more than data.max_unreadable_share (0.39)"));
  data_.set_max_unreadable_share(1);
  EXPECT_THAT(Fault("[1]\n"), HasSubstr("1 of 1 rows of ")) << "something must be left";
}

TEST_F(JsonLinesRowsTest, ABadPatternIsExplained) {
  data_.set_strip_pattern("a(b");
  EXPECT_THAT(Fault("{\"prompt\":\"a\",\"answer\":\"b\"}"),
              HasSubstr("data.strip_pattern 'a(b' is no regular expression: missing closing "
                        "parenthesis at character 3"));
  data_.set_strip_pattern("(a+)+$");
  EXPECT_THAT(Fault("{\"prompt\":\"a\",\"completion\":\"" + std::string(100, 'a') + "b\"}"),
              HasSubstr("d.jsonl:1: the regular expression could not be applied"))
      << "exponential matching ends";
}

}  // namespace
}  // namespace cohort::rl
