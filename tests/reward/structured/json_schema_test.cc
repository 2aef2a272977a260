// JSON Schema: each keyword, references, drafts, refusals. Cases in the style of the JSON Schema
// test suite: a schema, a value that fits and one that does not.

#include "reward/structured/json_schema.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "reward/structured/json_text.h"

namespace cohort::reward {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

JsonSchema::Result Check(const char* schema, const char* value) {
  return JsonSchema(ParseJsonText(schema).value())
      .Check(ParseJsonText(value).value(), Budget(std::chrono::milliseconds(10'000)));
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

struct SchemaCase {
  const char* schema;
  const char* good;  // null: none
  const char* bad;
};

void AllHold(const std::vector<SchemaCase>& cases) {
  for (const auto& [schema, good, bad] : cases) {
    EXPECT_TRUE(good == nullptr || Fits(schema, good)) << schema << " " << good;
    EXPECT_FALSE(bad != nullptr && Fits(schema, bad)) << schema << " " << bad;
  }
}

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

TEST(JsonSchema, HoldsValuesAgainstTheKeywordsOfObjects) {
  AllHold({
      {R"({"patternProperties":{"^S_":{"type":"string"}},"additionalProperties":false})",
       R"({"S_a":"x"})", R"({"I_a":"x"})"},
      {R"({"patternProperties":{"a+":{"type":"integer"},"aaa*":{"maximum":20}}})", R"({"aaaa":18})",
       R"({"aaa":31})"},
      {R"({"properties":{"foo":{"maxItems":3}},"patternProperties":{"f.o":{"minItems":2}}})",
       R"({"foo":[1,2]})", R"({"foo":[]})"},
      {R"({"propertyNames":{"maxLength":3}})", R"({"f":{},"foo":{}})", R"({"foobar":{}})"},
      {R"({"propertyNames":false})", "{}", R"({"a":1})"},
      {R"({"dependentRequired":{"quux":["foo","bar"]}})", R"({"foo":1,"bar":2,"quux":3})",
       R"({"foo":1,"quux":2})"},
      {R"({"dependentSchemas":{"bar":{"properties":{"foo":{"type":"integer"}}}}})",
       R"({"foo":1,"bar":2})", R"({"foo":"q","bar":2})"},
      {R"({"dependencies":{"a":["b"],"c":{"required":["d"]}}})", R"({"a":1,"b":1,"c":1,"d":1})",
       R"({"c":1})"},
      {R"({"minProperties":1.0})", R"({"a":1})", "{}"},
      {R"({"properties":{"__proto__":{"type":"number"}}})", R"({"__proto__":1})",
       R"({"__proto__":"a"})"},
      {R"({"properties":{"a":false}})", "{}", R"({"a":1})"},
      {R"({"required":["foo\"bar"]})", R"({"foo\"bar":1})", R"({"foo":1})"},
  });
}

TEST(JsonSchema, HoldsValuesAgainstTheKeywordsOfArrays) {
  AllHold({
      {R"({"contains":{"minimum":5}})", "[3,4,5]", "[2,3,4]"},
      {R"({"contains":true})", "[1]", "[]"},
      {R"({"contains":{"const":1},"minContains":2})", "[1,2,1]", "[1]"},
      {R"({"contains":{"const":1},"maxContains":1})", "[1,2]", "[1,1]"},
      {R"({"contains":{"const":1},"minContains":0,"maxContains":1})", "[]", "[1,1]"},
      {R"({"maxContains":1})", "[1,1]", nullptr},
      {R"({"prefixItems":[{"type":"integer"}],"items":{"type":"string"}})", R"([1,"a"])", "[1,2]"},
      {R"({"prefixItems":[true,{"type":"integer"}]})", "[null]", R"([1,"a"])"},
      {R"({"uniqueItems":true})", R"([1,true,{"a":1},[1]])", R"([{"a":1,"b":2},{"b":2.0,"a":1}])"},
      {R"({"uniqueItems":true})", R"([{"a":false},{"a":0}])", "[[1],[1.0]]"},
  });
}

TEST(JsonSchema, HoldsValuesAgainstConditions) {
  const char* const condition =
      R"({"if":{"exclusiveMaximum":0},"then":{"minimum":-10},"else":{"multipleOf":2}})";
  AllHold({
      {condition, "-1", "-100"},
      {condition, "4", "3"},
      {R"({"if":{"const":0},"then":{"const":1}})", "2", "0"},
      {R"({"then":{"const":1},"else":{"const":2}})", "0", nullptr},
      {R"({"if":true,"else":false})", "1", nullptr},
      {R"({"if":false,"else":false})", nullptr, "1"},
      {R"({"not":{"required":["a"]}})", "{}", R"({"a":1})"},
      {R"({"not":{"not":{"type":"string"}}})", R"("a")", "1"},
      {R"({"oneOf":[{"required":["a"]},{"required":["b"]}]})", R"({"a":1})", R"({"a":1,"b":1})"},
  });
}

TEST(JsonSchema, KnowsWhichPartsNobodyLookedAt) {
  AllHold({
      {R"({"properties":{"a":true},"unevaluatedProperties":false})", R"({"a":1})", R"({"b":1})"},
      {R"({"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false})", R"({"a":1})",
       R"({"a":1,"b":1})"},
      {R"({"anyOf":[{"required":["a"],"properties":{"a":true}},
                    {"required":["b"],"properties":{"b":true}}],"unevaluatedProperties":false})",
       R"({"a":1,"b":1})", R"({"a":1,"c":1})"},
      {R"({"not":{"not":{"properties":{"a":true}}},"unevaluatedProperties":false})", "{}",
       R"({"a":1})"},
      {R"({"if":{"required":["a"],"properties":{"a":true}},"then":{"properties":{"b":true}},
           "unevaluatedProperties":false})",
       R"({"a":1,"b":1})", R"({"b":1})"},
      {R"({"$ref":"#/$defs/x","unevaluatedProperties":false,"$defs":{"x":{"properties":{"a":true}}}})",
       R"({"a":1})", R"({"b":1})"},
      {R"({"dependentSchemas":{"a":{"properties":{"b":true}}},"properties":{"a":true},
           "unevaluatedProperties":false})",
       R"({"a":1,"b":1})", R"({"b":1})"},
      {R"({"unevaluatedProperties":{"type":"string"}})", R"({"a":"x"})", R"({"a":1})"},
      {R"({"properties":{"a":{"properties":{"b":true}}},"unevaluatedProperties":false})",
       R"({"a":{"b":1}})", R"({"b":1})"},
      {R"({"prefixItems":[true],"unevaluatedItems":false})", "[1]", "[1,2]"},
      {R"({"allOf":[{"prefixItems":[true,true]}],"prefixItems":[true],"unevaluatedItems":false})",
       "[1,2]", "[1,2,3]"},
      {R"({"contains":{"type":"string"},"unevaluatedItems":{"type":"integer"}})", R"([1,"a",2])",
       R"([1,"a",null])"},
      {R"({"items":true,"unevaluatedItems":false})", "[1,2]", nullptr},
  });
}

TEST(JsonSchema, FollowsReferencesWithinTheDocument) {
  AllHold({
      {R"({"$ref":"#foo","$defs":{"A":{"$anchor":"foo","type":"integer"}}})", "1", R"("a")"},
      {R"({"$id":"http://x.org/root","$ref":"http://x.org/b","$defs":{"B":{"$id":"b","type":"integer"}}})",
       "1", R"("a")"},
      {R"({"$id":"http://x.org/a/","$ref":"b/c#n","$defs":{"B":{"$id":"b/","$defs":{
           "C":{"$id":"c","$defs":{"D":{"$anchor":"n","type":"integer"}}}}}}})",
       "1", R"("a")"},
      {R"({"$id":"urn:uuid:1","$ref":"urn:uuid:1#/$defs/a","$defs":{"a":{"type":"string"}}})",
       R"("a")", "1"},
      {R"({"$ref":"#/$defs/a~1b%25","$defs":{"a/b%":{"type":"integer"}}})", "1", R"("a")"},
      {R"({"$ref":"#/$defs/a","maxItems":1,"$defs":{"a":{"type":"array"}}})", "[1]", "[1,2]"},
      {R"({"properties":{"$ref":{"type":"string"}}})", R"({"$ref":"a"})", R"({"$ref":1})"},
      {R"({"$id":"http://x.org/tree","$dynamicAnchor":"node","properties":{"children":
           {"items":{"$dynamicRef":"#node"}},"data":{"type":"integer"}}})",
       R"({"children":[{"data":1}]})", R"({"children":[{"data":"x"}]})"},
      {R"({"$id":"http://x.org/strict","$dynamicAnchor":"node","$ref":"tree","unevaluatedProperties":false,
           "$defs":{"t":{"$id":"tree","$dynamicAnchor":"node","properties":{"data":true,
           "children":{"items":{"$dynamicRef":"#node"}}}}}})",
       R"({"children":[{"data":1}]})", R"({"children":[{"daat":1}]})"},
      {R"({"$id":"http://x.org/r","$ref":"list","$defs":{"s":{"$dynamicAnchor":"T","type":"string"},
           "l":{"$id":"list","items":{"$dynamicRef":"#T"},"$defs":{"d":{"$dynamicAnchor":"T"}}}}})",
       R"(["a"])", "[1]"},
  });
}

TEST(JsonSchema, ReadsTheDraftThatItsSchemaNames) {
  const auto draft = [](const std::string& uri, const std::string& rest) {
    return "{\"$schema\":\"" + uri + "\"," + rest + "}";
  };
  const std::string seven = "http://json-schema.org/draft-07/schema#",
                    six = "http://json-schema.org/draft-06/schema#",
                    nineteen = "https://json-schema.org/draft/2019-09/schema";
  const std::string tuple = R"("items":[{"type":"integer"}],"additionalItems":false)";
  for (const std::string& uri : {seven, six, nineteen}) {
    AllHold({{draft(uri, tuple).c_str(), "[1]", "[1,2]"}});
    AllHold({{draft(uri, R"("prefixItems":[false])").c_str(), "[1]", nullptr}});
  }
  // In draft 7 a $ref replaces what stands beside it; $anchor and dependentRequired are unknown.
  AllHold({{draft(seven,
                  R"("$ref":"#/definitions/a","maxItems":0,"definitions":{"a":{"type":"array"}})")
                .c_str(),
            "[1]", "1"}});
  AllHold({{draft(seven, R"("dependentRequired":{"a":["b"]})").c_str(), R"({"a":1})", nullptr}});
  AllHold({{draft(seven, R"("definitions":{"a":{"$id":"#x","type":"string"}},"$ref":"#x")").c_str(),
            R"("a")", "1"}});
  AllHold({{draft(seven, R"("contains":{"const":1},"minContains":2)").c_str(), "[1]", "[]"}});
  AllHold({{draft(six, R"("if":true,"then":false)").c_str(), "1", nullptr}});
  AllHold({{draft(nineteen, R"("$recursiveAnchor":true,"type":["object","integer"],
                               "additionalProperties":{"$recursiveRef":"#"})")
                .c_str(),
            R"({"a":{"b":1}})", R"({"a":{"b":"x"}})"}});
}

TEST(JsonSchema, ComparesNumbersExactly) {
  AllHold({
      {R"({"const":9007199254740993})", "9007199254740993", "9007199254740992"},
      {R"({"enum":[9007199254740993]})", "9007199254740993", "9007199254740992.0"},
      {R"({"maximum":9007199254740992})", "9007199254740992", "9007199254740993"},
      {R"({"exclusiveMinimum":18446744073709551614})", "18446744073709551615",
       "18446744073709551614"},
      {R"({"multipleOf":0.01})", "19.99", "0.0100000000001"},
      {R"({"multipleOf":0.1})", "0.3", "0.35"},
      {R"({"multipleOf":0.0001})", "0.0075", "0.00751"},
      {R"({"multipleOf":1e-8})", "12391239123", "1.5e-9"},
      {R"({"multipleOf":3})", "9007199254740993", "9007199254740992"},
      {R"({"multipleOf":0.123456789})", "0", "1e308"},
      {R"({"multipleOf":1e-300})", "1", "1.5e-300"},
      {R"({"type":"integer"})", "1e20", "1.5"},
      {R"({"const":0})", "-0.0", "false"},
      {R"({"const":36893488147419103233})", "36893488147419103233", "36893488147419103232"},
      {R"({"maximum":36893488147419103232})", "36893488147419103232", "36893488147419103233"},
      {R"({"minimum":-36893488147419103232})", "-36893488147419103232", "-36893488147419103233"},
      {R"({"minimum":5})", "36893488147419103233", "-36893488147419103233"},
      {R"({"type":"integer","multipleOf":7})", "70000000000000000000007",
       "70000000000000000000008"},
      {R"({"multipleOf":1e22})", "70000000000000000000000", "71000000000000000000000"},
      {R"({"type":"number"})", "36893488147419103233", "\"36893488147419103233\""},
      {R"({"uniqueItems":true})", "[36893488147419103232,36893488147419103233]",
       "[36893488147419103233,36893488147419103233]"},
  });
}

TEST(JsonSchema, PatternsAreThoseOfEcma262) {
  AllHold({
      {R"({"pattern":"^a$"})", R"("a")", R"("a\n")"},
      {R"({"pattern":"^\\d$"})", R"("3")", R"("\u0663")"},
      {R"({"pattern":"^\\w$"})", R"("_")", R"("\u00e9")"},
      {R"({"pattern":"^\\W$"})", R"("\u00e9")", R"("a")"},
      {R"({"pattern":"^\\s$"})", R"("\u00a0")", R"("\u200b")"},
      {R"({"pattern":"^\\S$"})", R"("x")", R"("\ufeff")"},
      {R"({"pattern":"^[\\s,]+$"})", R"(", \u2003")", R"("x")"},
      {R"({"pattern":"a.c"})", R"("a\u0085c")", R"("a\nc")"},
      {R"({"pattern":"^\\p{Letter}+$"})", R"("\u03b1x")", R"("1")"},
      {R"({"pattern":"^\\p{Script=Greek}$"})", R"("\u03b1")", R"("a")"},
      {R"({"pattern":"^\\u0041\\x42\\cA$"})", R"("AB\u0001")", R"("AB")"},
      {R"({"pattern":"^\\uD83D\\uDC32*$"})", R"("\uD83D\uDC32\uD83D\uDC32")", R"("\uD83D\uDC09")"},
      {R"({"pattern":"^[^]$"})", R"("\n")", R"("")"},
      {R"({"pattern":"^x[]?$"})", R"("x")", R"("xx")"},
      {R"({"pattern":"^[[:alpha:]]$"})", R"(":]")", R"("b")"},
      {R"({"pattern":"^\\d{3}\\-\\d{4}/\\/$"})", R"("555-1234//")", R"("5551234")"},
      {R"({"pattern":"^(?<y>\\d)\\k<y>(?=a)(?<!b)a{,2}$"})", R"("11a{,2}")", R"("12a")"},
      {R"({"pattern":"es"})", R"("expression")", R"("sea")"},
      {R"({"pattern":"^a+?b{2,3}?$"})", R"("aabb")", R"("ab")"},
  });
  for (const char* const pattern : {"\\A",     "\\Z",
                                    "\\z",     "\\a",
                                    "\\Q",     "\\h",
                                    "\\X",     "\\G",
                                    "(?i)a",   "(?P<n>a)",
                                    "(?>a)",   "(*FAIL)",
                                    "a++",     "a*+",
                                    "a{1,3}+", "a**",
                                    "(",       "[",
                                    "[b-a]",   "\\",
                                    "\\c",     "\\p{NoSuchName}"}) {
    EXPECT_THAT(RefusalOf(json({{"pattern", pattern}}).dump().c_str()), HasSubstr("pattern"))
        << pattern;
  }
}

TEST(JsonSchema, SaysWhereTheValueDoesNotFit) {
  EXPECT_EQ(Check(R"({"properties":{"a":{"items":{"type":"string"}}}})", R"({"a":["x",2]})").why,
            "/a/1 is 2, expected \"string\"");
}

TEST(JsonSchema, RefusesWhatItWouldHaveToIgnore) {
  EXPECT_THAT(RefusalOf(R"({"properties":{"a":{"patternPropertys":{}}}})"),
              HasSubstr("#/properties/a/patternPropertys is no keyword; did you mean"));
  EXPECT_THAT(RefusalOf(R"({"requird":["a"]})"), HasSubstr("did you mean 'required'"));
  EXPECT_EQ(RefusalOf(R"({"x-order":1,"units":"m","enumNames":["a"]})"), "no error")
      << "a keyword that nobody knows is an annotation";
  EXPECT_THAT(RefusalOf(R"({"type":"strin"})"), HasSubstr("#/type is \"strin\""));
  EXPECT_THAT(RefusalOf(R"({"$ref":"#/$defs/none"})"), HasSubstr("leads nowhere"));
  EXPECT_THAT(RefusalOf(R"({"$ref":"http://localhost/x"})"), HasSubstr("never fetched"));
  EXPECT_THAT(RefusalOf(R"({"$ref":"other.json#/a"})"), HasSubstr("'other.json#/a'"));
  EXPECT_THAT(RefusalOf(R"({"$ref":"#no_such_anchor"})"), HasSubstr("leads nowhere"));
  EXPECT_THAT(RefusalOf(R"({"$schema":"http://json-schema.org/draft-04/schema#"})"),
              HasSubstr("draft-04"));
  EXPECT_THAT(RefusalOf(R"({"pattern":"("})"), HasSubstr("pattern"));
}

TEST(JsonSchema, EndsWhereAReferenceLeadsBackToItself) {
  for (
      const char* const schema :
      {R"({"$ref":"#"})", R"({"anyOf":[{"$ref":"#"}]})", R"({"not":{"$dynamicRef":"#"}})",
       R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}})"}) {
    EXPECT_EQ(Check(schema, "1").outcome, JsonSchema::Validity::kEndless) << schema;
  }
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

}  // namespace
}  // namespace cohort::reward
