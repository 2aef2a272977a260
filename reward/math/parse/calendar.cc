#include "reward/math/parse/calendar.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "reward/math/parse/characters.h"
#include "reward/math/parse/plain_text.h"

namespace cohort::reward::math {
namespace {

int MonthOf(std::string_view word) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "january", "february", "march",     "april",   "may",      "june",
      "july",    "august",   "september", "october", "november", "december"};
  for (size_t i = 0; i < kMonths.size(); ++i) {
    const bool short_form = word.size() == 3 && kMonths[i].starts_with(word);
    if (word == kMonths[i] || short_form) return static_cast<int>(i) + 1;
  }
  return 0;
}

// A number of at most four digits, an ordinal's ending dropped; -1 for other words.
int NumberOf(std::string_view word) {
  for (const std::string_view ending : {"st", "nd", "rd", "th"}) {
    if (word.size() > 2 && word.ends_with(ending)) {
      word.remove_suffix(2);
      break;
    }
  }
  if (word.empty() || word.size() > 4) return -1;
  int number = 0;
  for (const char c : word) {
    if (!IsDigit(c)) return -1;
    number = number * 10 + (c - '0');
  }
  return number;
}

std::vector<std::string> LowerWords(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : Unwrap(text)) {
    if (c == ' ' || c == ',') {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += Lower(c);
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::optional<Date> Checked(Date date) {
  const bool real = date.month >= 1 && date.month <= 12 && date.day >= 1 && date.day <= 31;
  return real ? std::optional<Date>(date) : std::nullopt;
}

}  // namespace

std::optional<Date> ParseDate(std::string_view text) {
  if (text.size() > 60) return std::nullopt;
  std::vector<std::string> words = LowerWords(text);
  std::erase_if(words, [](const std::string& word) { return word == "of" || word == "the"; });
  if (words.size() == 1) {
    const std::string& iso = words[0];
    if (iso.size() != 10 || iso[4] != '-' || iso[7] != '-') return std::nullopt;
    return Checked(
        {NumberOf(iso.substr(0, 4)), NumberOf(iso.substr(5, 2)), NumberOf(iso.substr(8, 2))});
  }
  if (words.size() != 2 && words.size() != 3) return std::nullopt;
  Date date;
  const bool month_first = MonthOf(words[0]) > 0;
  date.month = MonthOf(words[month_first ? 0 : 1]);
  date.day = NumberOf(words[month_first ? 1 : 0]);
  if (words.size() == 3) date.year = NumberOf(words[2]);
  return date.year >= 0 ? Checked(date) : std::nullopt;
}

std::optional<TimeOfDay> ParseTime(std::string_view text) {
  if (text.size() > 40) return std::nullopt;
  std::string plain;
  for (const char c : Unwrap(text)) {
    if (c != ' ' && c != '.') plain += Lower(c);
  }
  TimeOfDay time;
  for (const auto& [word, half] : {std::pair("noon", 'p'), {"midnight", 'a'}}) {
    if (!plain.ends_with(word)) continue;
    const std::string before = plain.substr(0, plain.size() - std::string_view(word).size());
    if (before.empty() || before == "12" || before == "12:00") return TimeOfDay{12, 0, half};
  }
  if (plain.ends_with("am") || plain.ends_with("pm")) {
    time.half = plain[plain.size() - 2];
    plain.resize(plain.size() - 2);
  }
  const size_t colon = plain.find(':');
  if (colon == std::string::npos) {
    if (time.half == 0 || plain.size() > 2) return std::nullopt;
    time.hour = NumberOf(plain);
  } else {
    const std::string_view minutes = std::string_view(plain).substr(colon + 1);
    if (colon > 2 || minutes.size() != 2) return std::nullopt;
    time.hour = NumberOf(plain.substr(0, colon));
    time.minute = NumberOf(minutes);
  }
  const int last = time.half != 0 ? 12 : 24;
  const bool real = time.hour >= 0 && time.hour <= last && time.minute >= 0 && time.minute < 60;
  return real ? std::optional<TimeOfDay>(time) : std::nullopt;
}

bool SameTime(const TimeOfDay& a, const TimeOfDay& b) {
  if (a.minute != b.minute) return false;
  const auto hour = [](const TimeOfDay& t) {
    return t.half == 0 ? t.hour : t.hour % 12 + (t.half == 'p' ? 12 : 0);
  };
  if (hour(a) == hour(b)) return true;
  const bool open = a.half == 0 || b.half == 0;
  return open && a.hour == b.hour;
}

}  // namespace cohort::reward::math
