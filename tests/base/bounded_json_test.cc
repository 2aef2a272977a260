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

TEST(BoundedJson, HasNoNumberBeyondTheMachines) {
  EXPECT_EQ(ErrorOf("7e777"), "f.json: not valid JSON: it has a number too large to read");
}

}  // namespace
}  // namespace cohort::base
