#include "base/bounded_json.h"

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_place.h"

namespace cohort::base {

using nlohmann::json;

json ParseBoundedJson(const std::string& text, const std::string& source,
                      const JsonBounds& bounds) {
  const auto refuse = [&](const std::string& what, const std::string& hint = "") {
    throw Error(ErrorCode::kUsage, source + ": " + what, hint);
  };
  if (text.size() > bounds.max_mib << 20) {
    refuse(std::to_string((text.size() >> 20) + 1) + " MiB; expected at most " +
           std::to_string(bounds.max_mib));
  }
  if (JsonDepth(text) > bounds.max_depth) {
    refuse("values are nested deeper than " + std::to_string(bounds.max_depth) +
           " lists and objects");
  }
  try {
    return json::parse(text);
  } catch (const json::parse_error& error) {
    refuse("not valid JSON at byte " + std::to_string(error.byte) + " of " +
               std::to_string(text.size()),
           "the file may be cut short; copy it again");
  } catch (const json::out_of_range&) {
    refuse("not valid JSON: it has a number too large to read");
  }
  return {};
}

json ReadBoundedJsonObject(const std::filesystem::path& path, const JsonBounds& bounds) {
  json value = ParseBoundedJson(ReadFile(path), path.string(), bounds);
  if (!value.is_object())
    throw Error(ErrorCode::kUsage, path.string() + ": expected a JSON object");
  return value;
}

}  // namespace cohort::base
