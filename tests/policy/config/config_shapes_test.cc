// The table of policy/README.md against published config.json's (tests/golden/policy/README.md says
// where they come from).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "base/durable_file.h"
#include "base/error.h"
#include "policy/config/config.h"
#include "policy/config/family.h"

namespace cohort::policy {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

// A line of the table: the family that the shape is read as, or the key that it is refused for and
// the family that is nearest.
struct ShapeRow {
  std::string family, key, nearest;
};

// The cell without the blanks and backquotes around it.
std::string TextOf(const std::string& cell) {
  const size_t first = cell.find_first_not_of(" `");
  if (first == std::string::npos) return "";
  return cell.substr(first, cell.find_last_not_of(" `") - first + 1);
}

std::map<std::string, ShapeRow> ReadTable() {
  std::istringstream readme(base::ReadFile(std::string(COHORT_SOURCE_DIR) + "/policy/README.md"));
  std::map<std::string, ShapeRow> rows;
  std::string line;
  while (std::getline(readme, line) && line.find("| shape |") != 0) continue;
  std::getline(readme, line);  // the rule under the head
  while (std::getline(readme, line) && line.starts_with("|")) {
    std::vector<std::string> cells;
    std::istringstream text(line.substr(1));
    for (std::string cell; std::getline(text, cell, '|');) cells.push_back(TextOf(cell));
    EXPECT_EQ(cells.size(), 4U) << line;
    const std::string family = cells[1] == "refused" ? "" : cells[1];
    EXPECT_TRUE(rows.emplace(cells[0], ShapeRow{family, cells[2], cells[3]}).second) << line;
  }
  return rows;
}

// A line is a config, or an earlier one `like` it with other fields and `without` some.
std::map<std::string, json> ReadShapes() {
  std::istringstream lines(
      base::ReadFile(std::string(COHORT_GOLDEN_DIR) + "/policy/config_shapes.jsonl"));
  std::map<std::string, json> shapes;
  for (std::string line; std::getline(lines, line);) {
    const json row = json::parse(line);
    json config = row.contains("like") ? shapes.at(row.at("like")) : json::object();
    for (const json& key : row.value("without", json::array())) {
      config.erase(key.get<std::string>());
    }
    config.update(row.at("config"));
    EXPECT_TRUE(shapes.emplace(row.at("shape"), config).second) << line;
  }
  return shapes;
}

TEST(ConfigShapes, AreThoseOfTheTable) {
  std::vector<std::string> table, file;
  for (const auto& [shape, row] : ReadTable()) table.push_back(shape);
  for (const auto& [shape, config] : ReadShapes()) file.push_back(shape);
  EXPECT_EQ(table, file);
  EXPECT_GT(table.size(), 100U);
}

TEST(ConfigShapes, AreReadAsTheTableSays) {
  const std::map<std::string, json> shapes = ReadShapes();
  for (const auto& [shape, row] : ReadTable()) {
    if (row.family.empty()) continue;
    SCOPED_TRACE(shape);
    ASSERT_THAT(FamilyNames(), Contains(row.family));
    try {
      const ModelConfig config = ParseConfig(shapes.at(shape), "config.json");
      EXPECT_EQ(config.family, row.family);
      EXPECT_EQ(ParseConfig(ConfigToJson(config, Dtype::kBFloat16), "config.json"), config);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

TEST(ConfigShapes, AreRefusedAsTheTableSays) {
  const std::map<std::string, json> shapes = ReadShapes();
  for (const auto& [shape, row] : ReadTable()) {
    if (!row.family.empty()) continue;
    SCOPED_TRACE(shape);
    try {
      ParseConfig(shapes.at(shape), "config.json");
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("config.json: " + row.key));
      if (row.nearest.empty()) continue;
      EXPECT_THAT(error.what(), HasSubstr("nearest in its mathematics is " + row.nearest + ", "));
    }
  }
}

// Dual chunk attention is attention within its first chunk.
TEST(ConfigShapes, OfAMillionTokensEndAtTheFirstChunk) {
  const json config = ReadShapes().at("Qwen2.5 7B 1M");
  EXPECT_EQ(config.at("max_position_embeddings"), 1010000);
  EXPECT_EQ(ParseConfig(config, "config.json").max_positions, 262144);
}

}  // namespace
}  // namespace cohort::policy
