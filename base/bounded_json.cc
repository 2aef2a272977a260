#include "base/bounded_json.h"

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_place.h"
#include "base/printable_text.h"

namespace cohort::base {

using nlohmann::json;

namespace {

// Where the text goes on with a number that Python's json module writes and JSON has not, as `at`
// is the first byte that is no JSON: a sentence that names it, and the key before it. Else "".
std::string NoNumberOfJson(const std::string& text, size_t at) {
  for (const std::string_view name : {"NaN", "Infinity"}) {
    if (text.compare(at, name.size(), name) != 0) continue;
    const bool negative = at > 0 && text[at - 1] == '-';
    const std::string found = (negative ? "-" : "") + std::string(name);
    // The key of the value, or of the list that it stands in.
    const size_t end = text.rfind("\":", at), start = end == 0 ? end : text.rfind('"', end - 1);
    const bool has_key = end != std::string::npos && start != std::string::npos &&
                         text.find_first_of("}\"", end + 1) > at;
    const std::string place =
        has_key ? PrintableText(text.substr(start + 1, end - start - 1)) + " is " : "it has ";
    return place + found + " at byte " + std::to_string(at + 1) + ", which is no JSON";
  }
  return "";
}

}  // namespace

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
    const std::string number = NoNumberOfJson(text, error.byte == 0 ? 0 : error.byte - 1);
    if (!number.empty()) refuse(number, "write a finite number, or null where none is meant");
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
