#include "rl/data/prompt_template.h"

#include <cctype>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/nearest_name.h"

namespace cohort::rl {
namespace {

std::string Shown(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : base::DumpExactJson(value);
}

std::string ShownColumn(const nlohmann::json& row, const std::string& name) {
  const auto found = row.find(name);
  if (found == row.end()) {
    std::vector<std::string> names;
    for (const auto& [key, value] : row.items()) names.push_back(key);
    throw Error(ErrorCode::kUsage, "data.prompt_template asks for the column '" + name +
                                       "', which is not there" + base::DidYouMean(name, names));
  }
  if (!found->is_array()) return Shown(*found);
  std::string lines;
  for (const nlohmann::json& entry : *found) lines += (lines.empty() ? "" : "\n") + Shown(entry);
  return lines;
}

// Length of the name at `at`, which must end in a '}'; 0 where there is none.
size_t NameLength(const std::string& text, size_t at) {
  size_t end = at;
  while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 ||
                               text[end] == '_' || text[end] == '-')) {
    ++end;
  }
  const bool named = end > at && std::isdigit(static_cast<unsigned char>(text[at])) == 0;
  return named && end < text.size() && text[end] == '}' ? end - at : 0;
}

}  // namespace

std::string FillTemplate(const std::string& text, const nlohmann::json& row) {
  std::string filled;
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t length = text[at] == '{' ? NameLength(text, at + 1) : 0;
    if (length == 0) {
      filled += text[at];
      continue;
    }
    filled += ShownColumn(row, text.substr(at + 1, length));
    at += length + 1;
  }
  return filled;
}

}  // namespace cohort::rl
