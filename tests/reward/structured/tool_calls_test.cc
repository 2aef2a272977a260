// Calls of tools in the formats of the models' families, as their chat templates give them.

#include "reward/structured/tool_calls.h"

#include "reward/structured/python_calls.h"
#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

using nlohmann::json;

constexpr char kTools[] =
    R"t([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "opts": {"type": "object"}, "tags": {"type": "array", "items": {"type": "string"}}, "flag": {"type": "boolean"}, "any": {}}, "required": ["city"]}}}, {"type": "function", "function": {"name": "now"}}, {"type": "function", "function": {"name": "brave_search", "parameters": {"type": "object", "properties": {"query": {"type": "string"}}}}}, {"name": "math.factorial", "description": "", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}])t";

Grade GradeCalls(const std::string& completion) {
  Sample sample = MakeSample(completion);
  sample.set_columns_json(json({{"tools", json::parse(kTools)}}).dump());
  return MakeGrader("tool_call", {})->Score(sample, Budget(std::chrono::milliseconds(10'000)));
}

TEST(ToolCalls, AreReadInEveryFamilysFormat) {
  for (
      const char* const completion :
      {R"t({"name":"get_weather","arguments":{"city":"Paris"}})t",
       R"t(<tool_call>
{"name":"get_weather","arguments":{"city":"Paris"}}
</tool_call>)t",
       R"t({"name":"now","arguments":{}})t",
       R"t({"name":"now"})t",
       R"t(```json
{"name":"get_weather","arguments":{"city":"Paris"}}
```)t",
       R"t(Sure:
```json
{"name":"get_weather","arguments":{"city":"Paris"}}
```
Done)t",
       R"t(```
[{"name":"get_weather","arguments":{"city":"Paris"}},{"name":"get_weather","arguments":{"city":"Paris"}}]
```)t",
       R"t(```json
{"name":"get_weather","arguments":{"city":"Paris"}}
```
```json
{"name":"now"}
```)t",
       R"t({"tool_calls":[{"id":"a","type":"function","function":{"name":"get_weather","arguments":"{\"city\": \"Paris\"}"}}]})t",
       R"t([{"type":"function","function":{"name":"now","arguments":"{}"}}])t",
       R"t(<tool_call>get_weather
<arg_key>city</arg_key>
<arg_value>Paris</arg_value>
<arg_key>days</arg_key>
<arg_value>3</arg_value>
</tool_call>)t",
       R"t(<tool_call>get_weather
<arg_key>city</arg_key>
<arg_value>123</arg_value>
</tool_call>)t",
       R"t(<tool_call>now</tool_call>)t",
       R"t(<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value><arg_key>opts</arg_key><arg_value>{"a": 1}</arg_value></tool_call><|observation|>)t",
       R"t(<tool_call>
<function=get_weather>
<parameter=city>
Paris
</parameter>
<parameter=days>
2
</parameter>
<parameter=tags>
["a", "b"]
</parameter>
<parameter=flag>
True
</parameter>
</function>
</tool_call>)t",
       R"t(<function=get_weather>
<parameter=city>
Paris
</parameter>
</function>)t",
       R"t(<function=get_weather>{"city": "Paris"}</function>)t",
       R"t(<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather
```json
{"city": "Paris"}
```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>)t",
       R"t(Let me see.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather
```json
{"city": "Paris"}
```<｜tool▁call▁end｜>
<｜tool▁call▁begin｜>function<｜tool▁sep｜>now
```json
{}
```<｜tool▁call▁end｜><｜tool▁calls▁end｜>)t",
       R"t(<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>)t",
       R"t(<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Paris"}<|tool_call_end|><|tool_calls_section_end|>)t",
       R"t([TOOL_CALLS][{"name":"get_weather","arguments":{"city":"Paris"}}]</s>)t",
       R"t([TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}, "id": "123456789"}])t",
       R"t([TOOL_CALLS]get_weather{"city": "Paris"})t",
       R"t([TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]now[ARGS]{})t",
       R"t([TOOL_CALLS]get_weather[CALL_ID]abc[ARGS]{"city": "Paris"})t",
       R"t(<|python_tag|>{"name":"get_weather","parameters":{"city":"Paris"}}<|eom_id|>)t",
       R"t(<|python_tag|>{"name":"get_weather","parameters":{"city":"Paris"}}; {"name":"now","parameters":{}})t",
       R"t({"name":"get_weather","parameters":{"city":"Paris"}}; {"name":"now","parameters":{}})t",
       R"t(<|python_tag|>brave_search.call(query="x"))t",
       R"t([get_weather(city="Paris", days=3), now()])t",
       R"t([get_weather(city='it\'s', tags=['a'], opts={'k': None})])t",
       R"t([math.factorial(n=5)])t",
       R"t(get_weather
{"city": "Paris"})t",
       R"t(get_weather{"city": "Paris"})t",
       R"t({"name":"now","arguments":null})t",
       R"t(<functioncall> {"name": "get_weather", "arguments": {"city": "Paris"}} </functioncall>)t",
       R"t(<|tool_call_start|>[get_weather(city="Paris")]<|tool_call_end|>)t",
       R"t(<|tool_call|>[{"name":"get_weather","arguments":{"city":"Paris"}}]<|/tool_call|>)t",
       R"t(<|tool_call|>[{"name":"get_weather","arguments":{"city":"Paris"}}])t",
       R"t(<TOOLCALL>[{"name":"get_weather","arguments":{"city":"Paris"}}]</TOOLCALL>)t",
       R"t(```tool_code
get_weather(city="Paris")
```)t",
       R"t(<minimax:tool_call>
<invoke name="get_weather">
<parameter name="city">Paris</parameter>
<parameter name="days">3</parameter>
</invoke>
</minimax:tool_call>)t",
       R"t(<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city":"Paris"}<|call|>)t",
       R"t({"name":"get_weather","arguments":{"city":"<tool_call>"}})t",
       R"t(<tool_call>
{"name":"get_weather","arguments":{"city":"```json x```"}}
</tool_call>)t"}) {
    const Grade grade = GradeCalls(completion);
    EXPECT_EQ(grade.status, STATUS_OK) << completion;
    EXPECT_EQ(grade.score, 1) << grade.detail << "\n" << completion;
  }
}

TEST(ToolCalls, AreReadInDeepSeeksLatestFormat) {
  const auto call = [](const std::string& city) {
    return "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n<｜DSML｜parameter "
           "name=\"city\" string=\"true\">" +
           city +
           "</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" string=\"false\">3"
           "</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>";
  };
  EXPECT_EQ(GradeCalls(call("Paris")).score, 1);
  EXPECT_EQ(GradeCalls("Let me look.\n\n" + call("5")).score, 1) << "a text, as the schema has it";
  EXPECT_EQ(GradeCalls(call("Paris").substr(0, 150)).score, 0);
}

TEST(ToolCalls, AreWrongInEveryFamilysFormat) {
  for (
      const char* const completion :
      {R"t(<tool_call>{"name":"get_weather","arguments":{"city":"Paris"}})t",
       R"t({"name":"get_weather","arguments":{"city":"Paris","country":"FR"}})t",
       R"t({"name":"now","arguments":{"x":1}})t",
       R"t(other_tool{"city": "Paris"})t",
       R"t(print("Paris"))t",
       R"t(get_weather{"town": "Paris"})t",
       R"t(```json
{"name":"get_weather","arguments":{"town":"Paris"}}
```)t",
       R"t(```json
{"city":"Paris"}
```)t",
       R"t({"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"get_weather","arguments":"{\"city\": 3}"}}]})t",
       R"t(<tool_call>get_weather
<arg_key>city</arg_key>
<arg_value>Paris</arg_value>
<arg_key>days</arg_key>
<arg_value>three</arg_value>
</tool_call>)t",
       R"t(<tool_call>nothing</tool_call>)t",
       R"t(<tool_call>
<function=get_weather>
<parameter=city>
Paris
</parameter>
</tool_call>)t",
       R"t(<tool_call>
<function=get_weather>
<parameter=town>
Paris
</parameter>
</function>
</tool_call>)t",
       R"t(<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": 5}<｜tool▁call▁end｜><｜tool▁calls▁end｜>)t",
       R"t(<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"})t",
       R"t([TOOL_CALLS]get_weather{"city": 1})t",
       R"t([get_weather(city=5)])t",
       R"t([get_weather("Paris")])t",
       R"t(get_weather(city="Paris"))t",
       R"t([get_weather(city="Paris"])t",
       R"t(I would call get_weather for Paris.)t",
       R"t()t",
       R"t([])t",
       R"t([1])t",
       R"t(["get_weather"])t"}) {
    const Grade grade = GradeCalls(completion);
    EXPECT_EQ(grade.status, STATUS_OK) << completion;
    EXPECT_EQ(grade.score, 0) << grade.detail << "\n" << completion;
  }
}

TEST(ToolCalls, ArgumentsInTagsAreWhatTheirSchemasSay) {
  const ToolSchemas tools = {{"f",
                              {{"properties",
                                {{"text", {{"type", "string"}}},
                                 {"number", {{"type", "integer"}}},
                                 {"either", {{"type", {"string", "null"}}}},
                                 {"choice", {{"enum", {"1", "2"}}}},
                                 {"any", json::object()}}}}}};
  const auto argument = [&](const std::string& name, const std::string& value) {
    const auto calls = ReadToolCalls("<tool_call>\n<function=f>\n<parameter=" + name + ">\n" +
                                         value + "\n</parameter>\n</function>\n</tool_call>",
                                     tools);
    return calls ? calls->front().arguments.at(name) : json("(no call)");
  };
  EXPECT_EQ(argument("text", "12"), json("12"));
  EXPECT_EQ(argument("text", "a\n\nb"), json("a\n\nb"));
  EXPECT_EQ(argument("text", "null"), json("null"));
  EXPECT_EQ(argument("number", "12"), json(12));
  EXPECT_EQ(argument("number", "twelve"), json("twelve"));
  EXPECT_EQ(argument("either", "null"), json());
  EXPECT_EQ(argument("either", "x y"), json("x y"));
  EXPECT_EQ(argument("choice", "1"), json("1"));
  EXPECT_EQ(argument("any", "{\"a\": [1]}"), json({{"a", {1}}}));
  EXPECT_EQ(argument("any", "True"), json(true));
}

TEST(ToolCalls, PythonsLiteralsAreRead) {
  const auto value = [](const std::string& text) {
    const auto calls = ReadPythonCalls("[f(x=" + text + ")]");
    return calls ? calls->front().arguments.at("x") : json("(no call)");
  };
  EXPECT_EQ(value("-1.5e3"), json(-1500.0));
  EXPECT_EQ(value("1_000"), json(1000));
  EXPECT_EQ(value(".5"), json(0.5));
  EXPECT_EQ(value("(1, 'a', None, True)"), json({1, "a", nullptr, true}));
  EXPECT_EQ(value("{'a': [1, 2,], \"b\": {}}"), json({{"a", {1, 2}}, {"b", json::object()}}));
  EXPECT_EQ(value("'it\\'s \\n \\u00e9 \\d'"), json("it's \n \u00e9 \\d"));
  EXPECT_EQ(value("\"\"\"a\"b\n\"\"\""), json("a\"b\n"));
  for (const char* const bad : {"g(1)", "1 + 1", "x", "'a", "[1", "{1: 2}", "open('/etc/passwd')",
                                "1 if y else 2", "f'{a}'", "--1", "0x10"}) {
    EXPECT_EQ(value(bad), json("(no call)")) << bad;
  }
  EXPECT_FALSE(ReadPythonCalls("[f(x=" + std::string(100'000, '[') + ")]").has_value());
  EXPECT_FALSE(ReadPythonCalls("[f(1)]").has_value());
  EXPECT_FALSE(ReadPythonCalls("[f(x=1, x=2)]").has_value());
  EXPECT_FALSE(ReadPythonCalls("[]").has_value());
}

TEST(ToolCalls, AreReadInLinearTime) {
  const std::string marks[] = {"<｜DSML｜",
                               "<tool_call>",
                               "<function=",
                               "<arg_key>",
                               "[TOOL_CALLS]",
                               "{;",
                               "[f(",
                               "{\"",
                               "<|python_tag|>{",
                               "```json\n{\n",
                               "<|tool_call_begin|>",
                               "to=functions.<|message|>",
                               "<parameter=",
                               "<invoke name=\"a\">"};
  for (const std::string& mark : marks) {
    std::string text;
    while (text.size() < 1'000'000) text += mark;
    EXPECT_EQ(GradeCalls(text).score, 0) << mark;
    EXPECT_EQ(GradeCalls("<tool_call><function=get_weather>" + text).score, 0) << mark;
  }
}

}  // namespace
}  // namespace cohort::reward
