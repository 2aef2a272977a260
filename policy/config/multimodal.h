#pragma once

// config.json of models that see images too, with the text model's in an object of its own: that
// part alone is read.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace cohort::policy {

// The text model's config.json, as a folder of it alone would have it: text_config with the
// family's name, and what the outer object decides for all parts. None where `config` is not of
// such a family. kUsage where it has no text_config.
std::optional<nlohmann::json> TextConfigOf(const nlohmann::json& config,
                                           const std::string& file_name);

}  // namespace cohort::policy
