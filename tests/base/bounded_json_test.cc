#include "base/bounded_json.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace cohort::base {
namespace {

std::string ErrorOf(const std::string& text, const JsonBounds& bounds = {}) {
  try {
    ParseBoundedJson(text, "f.json", bounds);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what();
  }
  return "no error";
}

TEST(BoundedJson, IsReadWithinItsBounds) {
  EXPECT_EQ(ParseBoundedJson(R"({"a": [1]})", "f.json").at("a").at(0), 1);
}

TEST(BoundedJson, IsNoLargerThanItsBound) {
  EXPECT_EQ(ErrorOf("\"" + std::string(3 << 20, 'x') + "\"", {.max_mib = 3}),
            "f.json: 4 MiB; expected at most 3");
  EXPECT_EQ(ErrorOf("\"" + std::string(65 << 20, 'x') + "\""),
            "f.json: 66 MiB; expected at most 64");
}

TEST(BoundedJson, IsNoDeeperThanItsBound) {
  EXPECT_EQ(ErrorOf(std::string(200000, '[') + std::string(200000, ']')),
            "f.json: values are nested deeper than 64 lists and objects");
  EXPECT_EQ(ErrorOf(std::string(64, '[') + std::string(64, ']')), "no error");
}

TEST(BoundedJson, SaysWhereItEndsTooSoon) {
  EXPECT_EQ(ErrorOf(R"({"model": {"vocab)"), "f.json: not valid JSON at byte 18 of 17");
}

TEST(BoundedJson, NamesANumberOfPythonsThatIsNoneOfJson) {
  EXPECT_EQ(ErrorOf(R"({"eps": 1e-5, "theta": NaN, "a": 1})"),
            "f.json: theta is NaN at byte 24, which is no JSON");
  EXPECT_EQ(ErrorOf(R"({"theta":-Infinity})"),
            "f.json: theta is -Infinity at byte 11, which is no JSON");
  EXPECT_EQ(ErrorOf(R"({"a": "b", "factor": [1.0, [2, Infinity]]})"),
            "f.json: factor is Infinity at byte 32, which is no JSON");
  EXPECT_EQ(ErrorOf(R"([{"a": 1}, NaN])"), "f.json: it has NaN at byte 12, which is no JSON");
  EXPECT_EQ(ErrorOf(R"({"a": 1, "b" : NaN})"), "f.json: it has NaN at byte 16, which is no JSON");
  EXPECT_EQ(ErrorOf("NaN"), "f.json: it has NaN at byte 1, which is no JSON");
  EXPECT_EQ(ErrorOf(R"({"a": Nine})"), "f.json: not valid JSON at byte 7 of 11");
}

TEST(BoundedJson, HasNoNumberBeyondTheMachines) {
  EXPECT_EQ(ErrorOf("7e777"), "f.json: not valid JSON: it has a number too large to read");
}

}  // namespace
}  // namespace cohort::base
