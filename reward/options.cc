#include "reward/options.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/error.h"
#include "base/nearest_name.h"

namespace cohort::reward {

void Options::Fail(const std::string& what, const std::string& hint) const {
  throw Error(ErrorCode::kUsage, "reward '" + reward_ + "': " + what, hint);
}

std::string Options::Text(const std::string& name, const std::string& fallback) const {
  const auto found = values_.find(name);
  return found == values_.end() ? fallback : found->second;
}

std::string Options::RequiredText(const std::string& name) const {
  const std::string text = Text(name, "");
  if (text.empty()) Fail("option '" + name + "' is missing");
  return text;
}

bool Options::Flag(const std::string& name, bool fallback) const {
  return OneOf(name, fallback ? "true" : "false", {"true", "false"}) == "true";
}

int64_t Options::Integer(const std::string& name, int64_t fallback, int64_t min,
                         int64_t max) const {
  if (!Has(name)) return fallback;
  const std::string text = Text(name, "");
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    Fail("option '" + name + "' is '" + text + "', expected a whole number from " +
         std::to_string(min) + " to " + std::to_string(max));
  }
  return value;
}

double Options::Real(const std::string& name, double fallback, double min, double max) const {
  if (!Has(name)) return fallback;
  const std::string text = Text(name, "");
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= min && value <= max)) {
    std::ostringstream range;
    range << min << " to " << max;
    Fail("option '" + name + "' is '" + text + "', expected a number from " + range.str());
  }
  return value;
}

std::string Options::OneOf(const std::string& name, const std::string& fallback,
                           const std::vector<std::string>& choices) const {
  const std::string text = Text(name, fallback);
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return text;
  std::string list;
  for (const std::string& choice : choices) list += (list.empty() ? "" : ", ") + choice;
  Fail("option '" + name + "' is '" + text + "', expected one of: " + list +
       base::DidYouMean(text, choices));
}

}  // namespace cohort::reward
