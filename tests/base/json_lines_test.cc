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

TEST(JsonLines, AFaultyLineIsToldAndTheNextOnesAreReadWhereThatIsAskedFor) {
  const auto path = WriteLines("{\"a\":1}\n{\"a\":\n[1]\n{\"b\":1}\n{\"a\":2}\n");
  std::vector<int> read;
  std::vector<std::string> faults;
  ForEachOrderedJsonLine(
      path, [&](const OrderedJson& row, int line) { row.at("a"), read.push_back(line); },
      [&](const Error& error) { faults.push_back(error.what()); });
  EXPECT_EQ(read, (std::vector<int>{1, 5}));
  ASSERT_EQ(faults.size(), 3u);
  EXPECT_TRUE(faults[0].starts_with(path.string() + ":2: ")) << faults[0];
  EXPECT_TRUE(faults[2].starts_with(path.string() + ":4: ")) << faults[2];
  EXPECT_THROW(
      ForEachOrderedJsonLine(
          path, [](const OrderedJson&, int) { throw Error(ErrorCode::kEnvironment, "full"); },
          [](const Error&) {}),
      Error)
      << "what is no fault of the line";
}

TEST(JsonLines, ALineOfMoreThan64MiBIsRefused) {
  const auto path = WriteLines("{\"a\":\"" + std::string((size_t{64} << 20) + 1, 'x') + "\"}\n");
  EXPECT_NE(ErrorOf(path).find(":1: a line of 67108873 bytes; the limit is 64 MiB"),
            std::string::npos)
      << ErrorOf(path);
}

TEST(JsonLines, AMissingFileIsNamed) {
  EXPECT_NE(ErrorOf("/no/such/file.jsonl").find("/no/such/file.jsonl"), std::string::npos);
}

TEST(JsonLines, DumpingBrokenUtf8DoesNotThrow) {
  EXPECT_EQ(DumpJson(Json("a\xff")), "\"a\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace cohort::base
