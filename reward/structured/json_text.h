#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward {

// One JSON value and nothing else, at most 1 MiB and 100 deep; nullopt for any other text. Integers
// beyond 64 bits keep their digits (base/exact_json.h).
std::optional<nlohmann::json> ParseJsonText(std::string_view text);

// The dataset column `name` of a sample's columns_json; null where there is none. A column that
// holds JSON as text is parsed.
nlohmann::json JsonColumn(std::string_view columns_json, const std::string& name);

}  // namespace cohort::reward
