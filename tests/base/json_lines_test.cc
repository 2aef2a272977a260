#include "base/json_lines.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"

namespace cohort::base {
namespace {

std::filesystem::path WriteLines(const std::string& text) {
  const std::filesystem::path path = testing::TempDir() + "json_lines_test.jsonl";
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

std::string ErrorOf(const std::filesystem::path& path) {
  try {
    ForEachJsonLine(path, [](const Json&, int) {});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(JsonLines, SkipsEmptyLinesAndCountsThem) {
  std::vector<int> lines;
  ForEachJsonLine(WriteLines("{\"a\":1}\n\n  \r\n{\"a\":2}"),
                  [&](const Json&, int line) { lines.push_back(line); });
  EXPECT_EQ(lines, (std::vector<int>{1, 4}));
}

TEST(JsonLines, AMalformedLineIsNamedByFileAndLine) {
  const auto path = WriteLines("{\"a\":1}\n{\"a\":\n");
  EXPECT_NE(ErrorOf(path).find(path.string() + ":2: expected one JSON object"), std::string::npos);
}

TEST(JsonLines, ALineThatIsNotAnObjectIsRefused) {
  EXPECT_NE(ErrorOf(WriteLines("[1]\n")).find(":1: "), std::string::npos);
}

TEST(JsonLines, AMissingFileIsNamed) {
  EXPECT_NE(ErrorOf("/no/such/file.jsonl").find("/no/such/file.jsonl"), std::string::npos);
}

TEST(JsonLines, DumpingBrokenUtf8DoesNotThrow) {
  EXPECT_EQ(DumpJson(Json("a\xff")), "\"a\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace cohort::base
