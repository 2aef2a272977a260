#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace cohort::base {

// JSON that a stranger wrote: what it may exhaust memory or the stack with is refused first.
struct JsonBounds {
  size_t max_mib = 64;
  int max_depth = 64;  // lists and objects inside each other
};

// kUsage naming `source` when the text is beyond the bounds, or no JSON, with the byte.
nlohmann::json ParseBoundedJson(const std::string& text, const std::string& source,
                                const JsonBounds& bounds = {});

// The same of a file; kEnvironment when it cannot be read, kUsage when it holds no object.
nlohmann::json ReadBoundedJsonObject(const std::filesystem::path& path,
                                     const JsonBounds& bounds = {});

}  // namespace cohort::base
