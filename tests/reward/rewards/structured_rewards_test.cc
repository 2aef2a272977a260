// json_schema and tool_call: completions that programs read.

#include <gmock/gmock.h>

#include "base/error.h"
#include "reward/text/json_schema.h"
#include "reward/text/json_text.h"
#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

JsonSchema::Result Check(const char* schema, const char* value) {
  return JsonSchema(json::parse(schema))
      .Check(json::parse(value), Budget(std::chrono::milliseconds(10'000)));
}
bool Fits(const char* schema, const char* value) {
  return Check(schema, value).outcome == JsonSchema::Validity::kValid;
}
std::string RefusalOf(const char* schema) {
  try {
    JsonSchema(json::parse(schema));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what();
  }
  return "no error";
}

// Each line is of the JSON Schema test suite's kind: schema, a value that fits, one that does not.
TEST(JsonSchema, HoldsValuesAgainstEveryKeyword) {
  const char* const cases[][3] = {
      {R"({"type":"integer"})", "1.0", "1.5"},
      {R"({"type":["string","null"]})", "null", "1"},
      {R"({"enum":[1,"a",{"b":[2]}]})", R"({"b":[2]})", R"({"b":[3]})"},
      {R"({"const":1})", "1.0", "true"},
      {R"({"minimum":2,"exclusiveMaximum":3})", "2", "3"},
      {R"({"multipleOf":0.1})", "0.3", "0.35"},
      {R"({"minLength":2,"maxLength":3})", R"("öö")", R"("ö")"},
      {R"({"pattern":"^a+$"})", R"("aa")", R"("ab")"},
      {R"({"items":{"type":"number"},"minItems":1})", "[1,2]", R"([1,"2"])"},
      {R"({"prefixItems":[{"type":"string"}],"items":false})", R"(["a"])", R"(["a",1])"},
      {R"({"uniqueItems":true})", R"([1,2,"1"])", "[1,2,1]"},
      {R"({"properties":{"a":{"type":"string"}},"required":["a"]})", R"({"a":"","b":1})", "{}"},
      {R"({"properties":{"a":true},"additionalProperties":false})", R"({"a":1})", R"({"b":1})"},
      {R"({"additionalProperties":{"type":"number"}})", R"({"x":1})", R"({"x":"1"})"},
      {R"({"maxProperties":1})", "{}", R"({"a":1,"b":2})"},
      {R"({"anyOf":[{"type":"string"},{"minimum":5}]})", "6", "4"},
      {R"({"oneOf":[{"minimum":1},{"minimum":5}]})", "2", "6"},
      {R"({"allOf":[{"minimum":1},{"maximum":5}]})", "2", "6"},
      {R"({"not":{"type":"string"}})", "1", R"("a")"},
      {R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"number"}}})", "1", R"("a")"},
      {R"({"properties":{"next":{"$ref":"#"}},"required":["v"]})", R"({"v":1,"next":{"v":2}})",
       R"({"v":1,"next":{}})"},
      {"true", "1", nullptr},
      {"false", nullptr, "1"},
  };
  for (const auto& [schema, good, bad] : cases) {
    EXPECT_TRUE(good == nullptr || Fits(schema, good)) << schema << " " << good;
    EXPECT_FALSE(bad != nullptr && Fits(schema, bad)) << schema << " " << bad;
  }
}

TEST(JsonSchema, SaysWhereTheValueDoesNotFit) {
  EXPECT_EQ(Check(R"({"properties":{"a":{"items":{"type":"string"}}}})", R"({"a":["x",2]})").why,
            "/a/1 is 2, expected \"string\"");
}

TEST(JsonSchema, RefusesWhatItWouldHaveToIgnore) {
  EXPECT_THAT(RefusalOf(R"({"properties":{"a":{"patternProperties":{}}}})"),
              HasSubstr("#/properties/a/patternProperties is not supported"));
  EXPECT_THAT(RefusalOf(R"({"type":"strin"})"), HasSubstr("#/type is \"strin\""));
  EXPECT_THAT(RefusalOf(R"({"$ref":"#/$defs/none"})"), HasSubstr("leads nowhere"));
  EXPECT_THAT(RefusalOf(R"({"$ref":"http://localhost/x"})"), HasSubstr("not a $ref into"));
  EXPECT_THAT(RefusalOf(R"({"pattern":"("})"), HasSubstr("pattern"));
}

TEST(JsonSchema, EndsWhereAReferenceLeadsBackToItself) {
  EXPECT_EQ(Check(R"({"$ref":"#"})", "1").outcome, JsonSchema::Validity::kTooMuchWork);
}

TEST(JsonSchema, EndsWhereAlternativesMultiply) {
  std::string schema = R"({"$ref":"#/$defs/d0","$defs":{)";
  for (int i = 0; i < 40; ++i) {
    const std::string next = R"({"$ref":"#/$defs/d)" + std::to_string(i + 1) + R"("})";
    schema += "\"d" + std::to_string(i) + R"(":{"anyOf":[)" + next + "," + next + "]},";
  }
  schema += R"("d40":false}})";
  EXPECT_EQ(Check(schema.c_str(), "1").outcome, JsonSchema::Validity::kTooMuchWork);
}

TEST(JsonText, IsOneValueOfBoundedDepth) {
  EXPECT_TRUE(ParseJsonText(R"({"a":"[[[["})").has_value());
  EXPECT_FALSE(ParseJsonText("{} {}").has_value());
  EXPECT_FALSE(ParseJsonText("").has_value());
  EXPECT_FALSE(ParseJsonText(std::string(200, '[') + std::string(200, ']')).has_value());
  EXPECT_FALSE(ParseJsonText(std::string(1'000'000, '[')).has_value());
  EXPECT_FALSE(ParseJsonText("\"" + std::string(2'000'000, 'a') + "\"").has_value());
}

const OptionMap kNumberA = {
    {"schema", R"({"properties":{"a":{"type":"number"}},"required":["a"]})"}};

TEST(JsonSchemaReward, ReadsTheWholeCompletionOrItsLastFencedBlock) {
  EXPECT_EQ(ScoreOf("json_schema", R"({"a":1})", "", kNumberA), 1);
  EXPECT_EQ(ScoreOf("json_schema", "Here:\n```json\n{\"a\":1}\n```\n", "", kNumberA), 1);
  EXPECT_EQ(ScoreOf("json_schema", "<think>{}</think> {\"a\":1}", "", kNumberA), 1);
  EXPECT_EQ(ScoreOf("json_schema", "```json\n{\"a\":1}\n```\n```json\n{}\n```", "", kNumberA), 0);
  EXPECT_EQ(ScoreOf("json_schema", R"(Sure! {"a":1})", "", kNumberA), 0);
  EXPECT_EQ(ScoreOf("json_schema", R"({"a":1)", "", kNumberA), 0);
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

TEST(ToolCall, FailsRatherThanScoresWithoutTools) {
  EXPECT_EQ(GradeWith("tool_call", Call("{}"), json::object()).status, STATUS_UNPARSEABLE);
}

}  // namespace
}  // namespace cohort::reward
