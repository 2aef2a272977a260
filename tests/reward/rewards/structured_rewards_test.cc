// json_schema and tool_call: completions that programs read.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const OptionMap kNumberA = {
    {"schema", R"({"properties":{"a":{"type":"number"}},"required":["a"]})"}};

TEST(JsonSchemaReward, ReadsTheWholeCompletionOrItsLastFencedBlock) {
  EXPECT_EQ(ScoreOf("json_schema", R"({"a":1})", "", kNumberA), 1);
  EXPECT_EQ(ScoreOf("json_schema", "Here:\n```json\n{\"a\":1}\n```\n", "", kNumberA), 1);
  EXPECT_EQ(ScoreOf("json_schema", "<think>{}</think> {\"a\":1}", "", kNumberA), 1);
  EXPECT_EQ(ScoreOf("json_schema", "```json\n{\"a\":1}\n```\n```json\n{}\n```", "", kNumberA), 0);
  EXPECT_EQ(ScoreOf("json_schema", R"(Sure! {"a":1})", "", kNumberA), 0);
  EXPECT_EQ(ScoreOf("json_schema", R"({"a":1)", "", kNumberA), 0);
  EXPECT_EQ(ScoreOf("json_schema", "```json\n{\"a\":1}\n```\nor\n```\n{}\n```", "", kNumberA), 1);
  EXPECT_EQ(ScoreOf("json_schema", "```{\"a\":1}```", "", kNumberA), 1);
  EXPECT_EQ(ScoreOf("json_schema", "```json {\"a\":1}```", "", kNumberA), 1);
}

TEST(JsonSchemaReward, ReadsTextsThatHoldAFence) {
  const std::string fence = R"({"a":1,"code":"```py\nprint(1)\n```"})";
  EXPECT_EQ(ScoreOf("json_schema", fence, "", kNumberA), 1);
  EXPECT_EQ(ScoreOf("json_schema", "```json\n" + fence + "\n```", "", kNumberA), 1);
  EXPECT_EQ(ScoreOf("json_schema", "See:\n```\n" + fence + "\n```\nDone.", "", kNumberA), 1);
}

TEST(JsonSchemaReward, AnyValueIsJudgedWhateverItCosts) {
  const auto score = [](const std::string& schema, const std::string& value) {
    return ScoreOf("json_schema", value, "", {{"schema", schema}});
  };
  std::string numbers = "[0";
  for (int i = 1; i < 60'000; ++i) numbers += "," + std::to_string(i);
  EXPECT_EQ(score(R"({"uniqueItems":true})", numbers + "]"), 1);
  EXPECT_EQ(score(R"({"uniqueItems":true})", numbers + ",7]"), 0);
  EXPECT_EQ(score(R"({"items":{"type":"integer"}})", numbers + ",\"x\"]"), 0);
  EXPECT_EQ(score(R"({"pattern":"^(a+)+$"})", "\"" + std::string(5000, 'a') + "!\""), 0);
}

TEST(JsonSchemaReward, ReadsItsSchemaFromARegularFileOfBoundedSize) {
  const base::TemporaryFolder folder;
  const std::string file = folder.path() / "schema.json", fifo = folder.path() / "fifo",
                    huge = folder.path() / "huge.json";
  std::ofstream(file) << R"({"type":"array"})";
  std::ofstream(huge) << std::string(2 << 20, ' ') << "{}";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(ScoreOf("json_schema", "[]", "", {{"path", file}}), 1);
  EXPECT_EQ(ScoreOf("json_schema", "{}", "", {{"path", file}}), 0);
  for (const std::string& path : {fifo, huge, std::string("/dev/zero"), std::string("/dev/full"),
                                  folder.path().string(), std::string("/no/such/file")}) {
    EXPECT_THROW(MakeGrader("json_schema", {{"path", path}}), Error) << path;
  }
}

Grade GradeWith(const std::string& reward, const std::string& completion, const json& columns,
                const std::string& answer = "", const OptionMap& options = {}) {
  Sample sample = MakeSample(completion, answer);
  sample.set_columns_json(columns.dump());
  return MakeGrader(reward, options)->Score(sample, Budget(std::chrono::milliseconds(10'000)));
}

TEST(JsonSchemaReward, TakesTheSchemaFromTheDataset) {
  const json object = {{"schema", {{"type", "array"}}}};
  const json text = {{"schema", R"({"type":"array"})"}};
  EXPECT_EQ(GradeWith("json_schema", "[]", object).score, 1);
  EXPECT_EQ(GradeWith("json_schema", "[]", text).score, 1);
  EXPECT_EQ(GradeWith("json_schema", "{}", text).score, 0);
  EXPECT_EQ(GradeWith("json_schema", "{}", {{"schema", true}}).score, 1);
  EXPECT_EQ(GradeWith("json_schema", "{}", {{"schema", false}}).score, 0);
  EXPECT_EQ(GradeWith("json_schema", "[]", json::object()).status, STATUS_UNPARSEABLE);
  EXPECT_EQ(GradeWith("json_schema", "[]", {{"schema", {{"type", "list"}}}}).status,
            STATUS_UNPARSEABLE);
}

const json kTools = {
    {"tools",
     {{{"type", "function"},
       {"function",
        {{"name", "weather"},
         {"parameters",
          {{"type", "object"},
           {"properties", {{"city", {{"type", "string"}}}, {"days", {{"type", "integer"}}}}},
           {"required", {"city"}}}}}}}}}};

std::string Call(const std::string& call) { return "<tool_call>\n" + call + "\n</tool_call>"; }

TEST(ToolCall, WantsAToolThatIsThereWithArgumentsThatFit) {
  const auto score = [](const std::string& completion) {
    const Grade grade = GradeWith("tool_call", completion, kTools);
    EXPECT_EQ(grade.status, STATUS_OK) << grade.detail;
    return grade.score;
  };
  const std::string good = R"({"name":"weather","arguments":{"city":"Oslo","days":2}})";
  EXPECT_EQ(score("Let me look. " + Call(good)), 1);
  EXPECT_EQ(score(good), 1);
  EXPECT_EQ(score("[" + good + "," + good + "]"), 1);
  EXPECT_EQ(score(Call(R"({"name":"weather","arguments":"{\"city\":\"Oslo\"}"})")), 1);
  EXPECT_EQ(score(Call(good) + Call(R"({"name":"weather","arguments":{}})")), 0);
  EXPECT_EQ(score(Call(R"({"name":"time","arguments":{}})")), 0);
  EXPECT_EQ(score(Call(R"({"name":"weather","arguments":{"city":5}})")), 0);
  EXPECT_EQ(score("<tool_call>" + good), 0);
  EXPECT_EQ(score("<think>" + Call(good)), 0);
  EXPECT_EQ(score("no call"), 0);
}

TEST(ToolCall, TakesNoArgumentThatTheToolDoesNotHave) {
  const std::string more = R"({"name":"weather","arguments":{"city":"Oslo","country":"NO"}})";
  EXPECT_EQ(GradeWith("tool_call", more, kTools).score, 0);
  EXPECT_EQ(GradeWith("tool_call", more, kTools, "", {{"unknown_arguments", "allow"}}).score, 1);
  const auto score = [](const json& parameters, const std::string& arguments) {
    json tool = {{"name", "f"}};
    if (!parameters.is_null()) tool["parameters"] = parameters;
    return GradeWith("tool_call", R"({"name":"f","arguments":)" + arguments + "}",
                     {{"tools", json::array({tool})}})
        .score;
  };
  EXPECT_EQ(score(nullptr, "{}"), 1);
  EXPECT_EQ(score(nullptr, R"({"x":1})"), 0) << "a tool without parameters has no arguments";
  EXPECT_EQ(score({{"additionalProperties", true}}, R"({"x":1})"), 1) << "unless it says so";
  EXPECT_EQ(score({{"patternProperties", {{"^x", true}}}}, R"({"x":1})"), 1);
  EXPECT_EQ(score({{"allOf", {{{"properties", {{"x", true}}}}}}}, R"({"x":1})"), 1);
  EXPECT_EQ(score({{"allOf", {{{"properties", {{"x", true}}}}}}}, R"({"y":1})"), 0);
  EXPECT_EQ(score({{"properties", {{"x", {{"type", "object"}}}}}}, R"({"x":{"y":1}})"), 1)
      << "what is within an argument is its schema's matter";
  EXPECT_EQ(
      score({{"$schema", "http://json-schema.org/draft-07/schema#"}, {"properties", {{"x", true}}}},
            R"({"y":1})"),
      0);
}

TEST(ToolCall, ComparesWithTheAnswerWhereAsked) {
  const OptionMap match = {{"match", "answer"}};
  const std::string gold = R"({"name":"weather","arguments":{"city":"Oslo","days":2}})";
  EXPECT_EQ(GradeWith("tool_call", R"({"arguments":{"days":2,"city":"Oslo"},"name":"weather"})",
                      kTools, gold, match)
                .score,
            1);
  EXPECT_EQ(GradeWith("tool_call", R"({"name":"weather","arguments":{"city":"Bergen"}})", kTools,
                      gold, match)
                .score,
            0);
  EXPECT_EQ(GradeWith("tool_call", gold, kTools, "Oslo", match).status, STATUS_UNPARSEABLE);
}

TEST(ToolCall, WantsNoCallWhereTheAnswerIsNone) {
  const OptionMap match = {{"match", "answer"}};
  const std::string call = R"({"name":"weather","arguments":{"city":"Oslo"}})";
  EXPECT_EQ(GradeWith("tool_call", "I cannot look that up.", kTools, "[]", match).score, 1);
  EXPECT_EQ(GradeWith("tool_call", call, kTools, "[]", match).score, 0);
  EXPECT_EQ(GradeWith("tool_call", "I cannot look that up.", kTools, call, match).score, 0);
}

TEST(ToolCall, ComparesIntegersOfAnySize) {
  const OptionMap match = {{"match", "answer"}};
  const auto call = [](const std::string& days) {
    return R"({"name":"weather","arguments":{"city":"Oslo","days":)" + days + "}}";
  };
  const std::string big = "12345678901234567890123";
  EXPECT_EQ(GradeWith("tool_call", call(big), kTools, call(big), match).score, 1);
  EXPECT_EQ(GradeWith("tool_call", call("12345678901234567890124"), kTools, call(big), match).score,
            0);
}

TEST(ToolCall, ComparesParallelCallsInAnyOrder) {
  const OptionMap match = {{"match", "answer"}};
  const auto call = [](const std::string& city) {
    return R"({"name":"weather","arguments":{"city":")" + city + "\"}}";
  };
  const auto score = [&](const std::string& calls, const std::string& gold) {
    return GradeWith("tool_call", calls, kTools, gold, match).score;
  };
  const std::string gold = "[" + call("Oslo") + "," + call("Rome") + "]";
  EXPECT_EQ(score("[" + call("Rome") + "," + call("Oslo") + "]", gold), 1);
  EXPECT_EQ(score(Call(call("Rome")) + Call(call("Oslo")), gold), 1);
  EXPECT_EQ(score("[weather(city='Rome'), weather(city='Oslo')]", gold), 1) << "in any format";
  EXPECT_EQ(score("[" + call("Rome") + "," + call("Rome") + "]", gold), 0);
  EXPECT_EQ(score("[" + call("Rome") + "," + call("Bergen") + "]", gold), 0);
  EXPECT_EQ(score(call("Rome"), gold), 0);
  EXPECT_EQ(score(R"({"name":"weather","arguments":{"city":"Oslo","days":2.0}})",
                  R"({"name":"weather","arguments":{"city":"Oslo","days":2}})"),
            1);
}

TEST(ToolCall, FailsRatherThanScoresWithoutTools) {
  EXPECT_EQ(GradeWith("tool_call", Call("{}"), json::object()).status, STATUS_UNPARSEABLE);
}

}  // namespace
}  // namespace cohort::reward
