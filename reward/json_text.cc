#include "reward/json_text.h"

#include <algorithm>

namespace cohort::reward {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr int kMaxDepth = 100;

// Before parsing, so that the parser never meets what would exhaust its stack.
bool TooDeep(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false, escaped = false;
  for (const char c : text) {
    if (in_string) {
      if (!escaped && c == '"') in_string = false;
      escaped = !escaped && c == '\\';
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') deepest = std::max(deepest, ++depth);
    if (c == '}' || c == ']') --depth;
  }
  return deepest > kMaxDepth;
}

}  // namespace

std::optional<nlohmann::json> ParseJsonText(std::string_view text) {
  if (text.size() > kMaxBytes || TooDeep(text)) return std::nullopt;
  nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

nlohmann::json JsonColumn(std::string_view columns_json, const std::string& name) {
  const auto columns = ParseJsonText(columns_json);
  if (!columns.has_value() || !columns->is_object() || !columns->contains(name)) return nullptr;
  nlohmann::json value = columns->at(name);
  if (!value.is_string()) return value;
  return ParseJsonText(value.get_ref<const std::string&>()).value_or(value);
}

}  // namespace cohort::reward
