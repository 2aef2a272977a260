#include "reward/math/parse/units.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <unordered_map>
#include <vector>

#include "reward/math/parse/characters.h"

namespace cohort::reward::math {
namespace {

struct Size {
  std::string_view dimension;
  int64_t num;
  int64_t den;
};

const std::unordered_map<std::string_view, Size>& KnownUnits() {
  static const std::unordered_map<std::string_view, Size> units = {
      {"m", {"length", 1, 1}},
      {"meter", {"length", 1, 1}},
      {"metre", {"length", 1, 1}},
      {"cm", {"length", 1, 100}},
      {"centimeter", {"length", 1, 100}},
      {"centimetre", {"length", 1, 100}},
      {"mm", {"length", 1, 1000}},
      {"millimeter", {"length", 1, 1000}},
      {"dm", {"length", 1, 10}},
      {"km", {"length", 1000, 1}},
      {"kilometer", {"length", 1000, 1}},
      {"kilometre", {"length", 1000, 1}},
      {"inch", {"length", 254, 10000}},
      {"inches", {"length", 254, 10000}},
      {"foot", {"length", 3048, 10000}},
      {"feet", {"length", 3048, 10000}},
      {"ft", {"length", 3048, 10000}},
      {"yard", {"length", 9144, 10000}},
      {"yd", {"length", 9144, 10000}},
      {"mile", {"length", 1609344, 1000}},
      {"mi", {"length", 1609344, 1000}},
      {"kg", {"mass", 1000, 1}},
      {"kilogram", {"mass", 1000, 1}},
      {"g", {"mass", 1, 1}},
      {"gram", {"mass", 1, 1}},
      {"mg", {"mass", 1, 1000}},
      {"milligram", {"mass", 1, 1000}},
      {"lb", {"mass", 45359237, 100000}},
      {"lbs", {"mass", 45359237, 100000}},
      {"pound", {"pound", 1, 1}},
      {"ounce", {"ounce", 1, 1}},
      {"oz", {"ounce", 1, 1}},
      {"ton", {"ton", 1, 1}},
      {"s", {"time", 1, 1}},
      {"sec", {"time", 1, 1}},
      {"second", {"time", 1, 1}},
      {"ms", {"time", 1, 1000}},
      {"min", {"time", 60, 1}},
      {"minute", {"time", 60, 1}},
      {"hour", {"time", 3600, 1}},
      {"hr", {"time", 3600, 1}},
      {"h", {"time", 3600, 1}},
      {"day", {"time", 86400, 1}},
      {"week", {"time", 604800, 1}},
      {"month", {"month", 1, 1}},
      {"year", {"year", 1, 1}},
      {"yr", {"year", 1, 1}},
      {"dollar", {"dollar", 1, 1}},
      {"cent", {"dollar", 1, 100}},
      {"euro", {"euro", 1, 1}},
      {"rupee", {"rupee", 1, 1}},
      {"usd", {"dollar", 1, 1}},
      {"liter", {"volume", 1, 1}},
      {"litre", {"volume", 1, 1}},
      {"ml", {"volume", 1, 1000}},
      {"mL", {"volume", 1, 1000}},
      {"milliliter", {"volume", 1, 1000}},
      {"gallon", {"gallon", 1, 1}},
      {"quart", {"quart", 1, 1}},
      {"pint", {"pint", 1, 1}},
      {"cup", {"cup", 1, 1}},
      {"mph", {"length/time", 1609344, 3600000}},
      {"kph", {"length/time", 1000, 3600}},
      {"radian", {"radian", 1, 1}},
      {"rad", {"radian", 1, 1}},
      {"newton", {"newton", 1, 1}},
      {"joule", {"joule", 1, 1}},
      {"watt", {"watt", 1, 1}},
      {"volt", {"volt", 1, 1}},
      {"hertz", {"hertz", 1, 1}},
      {"Hz", {"hertz", 1, 1}},
      {"kJ", {"joule", 1000, 1}},
      {"kW", {"watt", 1000, 1}},
      {"pi", {"", 1, 1}},
      {"mol", {"mole", 1, 1}},
      {"mole", {"mole", 1, 1}},
      {"acre", {"acre", 1, 1}},
      {"hectare", {"hectare", 1, 1}},
      {"people", {"people", 1, 1}},
      {"degreec", {"celsius", 1, 1}},
      {"C", {"celsius", 1, 1}},
      {"F", {"fahrenheit", 1, 1}},
  };
  return units;
}

std::string_view Singular(std::string_view word) {
  if (KnownUnits().contains(word)) return word;
  if (word.size() > 3 && word.ends_with("s") && !word.ends_with("ss")) word.remove_suffix(1);
  return word;
}

std::vector<std::string> WordsOf(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (IsSpace(c) || c == '.' || c == '-') {
      if (!words.back().empty()) words.emplace_back();
    } else if (c == '/') {
      if (words.back().empty()) words.pop_back();
      words.insert(words.end(), {"per", ""});
    } else {
      words.back() += c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

// Multiplies the unit's size; false where it would outgrow what is compared exactly.
bool Scale(Unit* unit, const Size& by, int exponent, bool divides) {
  constexpr int64_t kMaxSize = int64_t{1} << 50;
  Unit scaled = *unit;
  for (int i = 0; i < exponent; ++i) {
    const int64_t num = divides ? by.den : by.num;
    const int64_t den = divides ? by.num : by.den;
    if (scaled.num > kMaxSize / num || scaled.den > kMaxSize / den) return false;
    scaled.num *= num;
    scaled.den *= den;
    const int64_t common = std::gcd(scaled.num, scaled.den);
    scaled.num /= common;
    scaled.den /= common;
  }
  unit->num = scaled.num;
  unit->den = scaled.den;
  return true;
}

// One unit word with its exponent: "cm^2".
void AddFactor(std::string word, int modifier, bool divides, Unit* unit) {
  int exponent = modifier;
  if (const size_t caret = word.find('^'); caret != std::string::npos) {
    const std::string digits = word.substr(caret + 1);
    if (digits.size() == 1 && IsDigit(digits[0])) exponent = digits[0] - '0';
    word.resize(caret);
  }
  if (word == "unit" || word == "units") return;
  auto found = KnownUnits().find(Singular(word));
  if (found == KnownUnits().end()) {
    std::transform(word.begin(), word.end(), word.begin(), Lower);
    found = KnownUnits().find(Singular(word));
  }
  const bool known = found != KnownUnits().end() && exponent >= 1 && exponent <= 3 &&
                     Scale(unit, found->second, exponent, divides);
  if (!unit->dimension.empty() || divides) unit->dimension += divides ? "/" : " ";
  unit->dimension += known ? found->second.dimension : Singular(word);
  if (exponent != 1) unit->dimension += "^" + std::to_string(exponent);
}

}  // namespace

bool IsKnownUnit(std::string_view word) {
  if (word.size() < 2 || word == "pi") return false;
  return KnownUnits().contains(word) || KnownUnits().contains(Singular(word));
}

bool IsUnitText(std::string_view text) {
  static constexpr std::array<std::string_view, 40> kNoUnit = {
      "or",      "and",   "not",    "no",    "if",    "when",   "but",   "is",
      "are",     "than",  "plus",   "minus", "times", "over",   "then",  "for",
      "where",   "with",  "mod",    "one",   "two",   "three",  "four",  "five",
      "six",     "seven", "eight",  "nine",  "ten",   "half",   "maybe", "zero",
      "hundred", "dozen", "twelve", "none",  "all",   "except", "to",    "thousand"};
  if (text.empty() || text.size() > 40) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool exponent = IsDigit(c) && i > 0 && (text[i - 1] == '^' || text[i - 1] == '-');
    if (!IsLetter(c) && !exponent && std::string_view(" /^.-").find(c) == std::string_view::npos) {
      return false;
    }
  }
  const std::vector<std::string> words = WordsOf(text);
  if (words.empty() || words.size() > 5) return false;
  return std::none_of(words.begin(), words.end(), [](std::string word) {
    std::transform(word.begin(), word.end(), word.begin(), Lower);
    return std::find(kNoUnit.begin(), kNoUnit.end(), word) != kNoUnit.end();
  });
}

std::optional<Unit> ParseUnit(std::string_view text) {
  Unit unit;
  int modifier = 1;
  bool divides = false;
  for (const std::string& word : WordsOf(text)) {
    if (word == "square" || word == "sq") {
      modifier = 2;
    } else if (word == "cubic" || word == "cu") {
      modifier = 3;
    } else if (word == "per" || word == "a" || word == "an" || word == "each") {
      divides = true;
    } else if (word == "squared" || word == "cubed") {
      const int exponent = word == "squared" ? 2 : 3;
      const Size size{"", unit.num, unit.den};
      unit.dimension += "^" + std::to_string(exponent);
      if (!Scale(&unit, size, exponent - 1, false)) unit.dimension += "?";
    } else if (word != "of" && word != "the") {
      AddFactor(word, modifier, divides, &unit);
      modifier = 1;
    }
  }
  if (unit.dimension.empty()) return std::nullopt;
  return unit;
}

}  // namespace cohort::reward::math
