#pragma once

// Settings by the names that the program at hand gives them. Errors name a setting by its key in a
// recipe ("rollout.kv_cache_mb"); where there is no recipe, the program's own flag takes its place.

#include <span>
#include <string>

#include "base/error.h"

namespace cohort::base {

struct SettingName {
  std::string key;   // in a recipe; with "=VALUE" where that value alone is meant
  std::string flag;  // in its place, in words where it is no flag
};

// `text` with every whole key replaced; "KEY=VALUE" becomes "FLAG VALUE".
std::string InOwnWords(std::string text, std::span<const SettingName> names);
// The same for message and hint.
Error InOwnWords(const Error& error, std::span<const SettingName> names);

}  // namespace cohort::base
