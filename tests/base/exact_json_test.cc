#include "base/exact_json.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace cohort::base {
namespace {

TEST(ExactJson, KeepsTheDigitsOfIntegersBeyond64Bits) {
  for (const char* text : {
           "123456789012345678901234567890",
           "-99999999999999999999",
           R"({"a":18446744073709551616,"b":[1,{"c":-9223372036854775809}],"d":"x"})",
           R"([18446744073709551615,-9223372036854775808,1.5,1e+30,true,null])",
       }) {
    EXPECT_EQ(DumpExactJson(ParseExactJson(text)), text);
    EXPECT_EQ(DumpExactJson(ParseExactOrderedJson(text)), text);
  }
}

TEST(ExactJson, TellsThemFromOtherValues) {
  const auto json = ParseExactJson(R"([18446744073709551616, 18446744073709551615, 1e30, "1"])");
  EXPECT_EQ(BigIntegerDigits(json[0]), "18446744073709551616");
  for (size_t i = 1; i < json.size(); ++i) EXPECT_EQ(BigIntegerDigits(json[i]), std::nullopt) << i;
  EXPECT_TRUE(json[1].is_number_unsigned());
  EXPECT_TRUE(json[2].is_number_float());
  EXPECT_FALSE(json[0].is_number()) << "who does not know of it must not round it";
}

TEST(ExactJson, KeepsTheOrderOfKeysAndReplacesBrokenUtf8) {
  EXPECT_EQ(DumpExactJson(ParseExactOrderedJson(R"({"b":99999999999999999999,"a":1})")),
            R"({"b":99999999999999999999,"a":1})");
  EXPECT_EQ(DumpExactJson(nlohmann::json("\xff")), "\"\xEF\xBF\xBD\"");
}

TEST(ExactJson, DiscardsWhatIsNoJson) {
  for (const char* text : {"", "{", "1 2", "[1,]", "{\"a\":1}x", "'a'"}) {
    EXPECT_TRUE(ParseExactJson(text).is_discarded()) << text;
  }
}

TEST(ExactJson, RefusesANumberThatNothingHoldsByItsColumn) {
  for (const std::string& text : {std::string("[1e999]"), "[" + std::string(400, '9') + "]"}) {
    try {
      ParseExactJson(text);
      ADD_FAILURE() << "taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), "the number that ends in column " + std::to_string(text.size() - 1) +
                                  " is too large");
    }
  }
}

}  // namespace
}  // namespace cohort::base
