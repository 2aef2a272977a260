#include "reward/structured/json_text.h"

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_place.h"

namespace cohort::reward {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr int kMaxDepth = 100;

}  // namespace

std::optional<nlohmann::json> ParseJsonText(std::string_view text) {
  if (text.size() > kMaxBytes || base::JsonDepth(text) > kMaxDepth) return std::nullopt;
  try {
    nlohmann::json value = base::ParseExactJson(text);
    if (!value.is_discarded()) return value;
  } catch (const Error&) {  // a number that nothing holds
  }
  return std::nullopt;
}

nlohmann::json JsonColumn(std::string_view columns_json, const std::string& name) {
  const auto columns = ParseJsonText(columns_json);
  if (!columns.has_value() || !columns->is_object() || !columns->contains(name)) return nullptr;
  nlohmann::json value = columns->at(name);
  if (!value.is_string()) return value;
  return ParseJsonText(value.get_ref<const std::string&>()).value_or(value);
}

}  // namespace cohort::reward
