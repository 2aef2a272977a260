#include "reward/math/parse/units.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <numeric>
#include <unordered_map>
#include <vector>

#include "reward/math/parse/characters.h"

namespace cohort::reward::math {
namespace {

struct Size {
  std::string_view dimension;  // "mass length^2 time^-2"; other words are dimensions of their own
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
      {"in", {"length", 254, 10000}},
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
      {"tonne", {"mass", 1000000, 1}},
      {"s", {"time", 1, 1}},
      {"sec", {"time", 1, 1}},
      {"second", {"time", 1, 1}},
      {"ms", {"time", 1, 1000}},
      {"min", {"time", 60, 1}},
      {"minute", {"time", 60, 1}},
      {"hour", {"time", 3600, 1}},
      {"hr", {"time", 3600, 1}},
      {"hrs", {"time", 3600, 1}},
      {"secs", {"time", 1, 1}},
      {"mins", {"time", 60, 1}},
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
      {"liter", {"length^3", 1, 1000}},
      {"L", {"length^3", 1, 1000}},
      {"dL", {"length^3", 1, 10000}},
      {"cL", {"length^3", 1, 100000}},
      {"litre", {"length^3", 1, 1000}},
      {"ml", {"length^3", 1, 1000000}},
      {"mL", {"length^3", 1, 1000000}},
      {"milliliter", {"length^3", 1, 1000000}},
      {"millilitre", {"length^3", 1, 1000000}},
      {"cc", {"length^3", 1, 1000000}},
      {"gallon", {"gallon", 1, 1}},
      {"quart", {"quart", 1, 1}},
      {"pint", {"pint", 1, 1}},
      {"cup", {"cup", 1, 1}},
      {"mph", {"length time^-1", 1609344, 3600000}},
      {"kph", {"length time^-1", 1000, 3600}},
      {"kmh", {"length time^-1", 1000, 3600}},
      {"radian", {"radian", 1, 1}},
      {"rad", {"radian", 1, 1}},
      {"newton", {"mass length time^-2", 1000, 1}},
      {"N", {"mass length time^-2", 1000, 1}},
      {"kN", {"mass length time^-2", 1000000, 1}},
      {"joule", {"mass length^2 time^-2", 1000, 1}},
      {"J", {"mass length^2 time^-2", 1000, 1}},
      {"pascal", {"mass length^-1 time^-2", 1000, 1}},
      {"Pa", {"mass length^-1 time^-2", 1000, 1}},
      {"kPa", {"mass length^-1 time^-2", 1000000, 1}},
      {"atm", {"mass length^-1 time^-2", 101325000, 1}},
      {"cal", {"mass length^2 time^-2", 4184, 1}},
      {"kcal", {"mass length^2 time^-2", 4184000, 1}},
      {"kWh", {"mass length^2 time^-2", 3600000000, 1}},
      {"eV", {"electronvolt", 1, 1}},
      {"MeV", {"electronvolt", 1000000, 1}},
      {"keV", {"electronvolt", 1000, 1}},
      {"GeV", {"electronvolt", 1000000000, 1}},
      {"watt", {"mass length^2 time^-3", 1000, 1}},
      {"W", {"mass length^2 time^-3", 1000, 1}},
      {"MW", {"mass length^2 time^-3", 1000000000, 1}},
      {"volt", {"volt", 1, 1}},
      {"V", {"volt", 1, 1}},
      {"kV", {"volt", 1000, 1}},
      {"ampere", {"ampere", 1, 1}},
      {"amp", {"ampere", 1, 1}},
      {"A", {"ampere", 1, 1}},
      {"ohm", {"ohm", 1, 1}},
      {"K", {"kelvin", 1, 1}},
      {"kelvin", {"kelvin", 1, 1}},
      {"hertz", {"time^-1", 1, 1}},
      {"Hz", {"time^-1", 1, 1}},
      {"kHz", {"time^-1", 1000, 1}},
      {"MHz", {"time^-1", 1000000, 1}},
      {"GHz", {"time^-1", 1000000000, 1}},
      {"kJ", {"mass length^2 time^-2", 1000000, 1}},
      {"MJ", {"mass length^2 time^-2", 1000000000, 1}},
      {"kW", {"mass length^2 time^-3", 1000000, 1}},
      {"pi", {"", 1, 1}},
      {"mol", {"mole", 1, 1}},
      {"mole", {"mole", 1, 1}},
      {"acre", {"acre", 1, 1}},
      {"yuan", {"yuan", 1, 1}},
      {"RMB", {"yuan", 1, 1}},
      {"celsius", {"celsius", 1, 1}},
      {"fahrenheit", {"fahrenheit", 1, 1}},
      {"hectare", {"length^2", 10000, 1}},
      {"ha", {"length^2", 10000, 1}},
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

// "kg m/s^2" as its words, "per" for a slash; a hyphen parts words unless it is an exponent's sign.
std::vector<std::string> WordsOf(std::string_view text) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool sign = c == '-' && i > 0 && text[i - 1] == '^';
    if (IsSpace(c) || c == '.' || (c == '-' && !sign)) {
      if (!words.back().empty()) words.emplace_back();
    } else if (c == '/') {
      if (words.back().empty()) words.pop_back();
      words.insert(words.end(), {"per", ""});
    } else if (c != '{' && c != '}') {
      words.back() += c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

struct SiPrefix {
  std::string_view symbol;
  std::string_view name;
  int64_t num;
  int64_t den;
};

constexpr SiPrefix kPrefixes[] = {
    {"G", "giga", 1'000'000'000, 1}, {"M", "mega", 1'000'000, 1},    {"k", "kilo", 1000, 1},
    {"h", "hecto", 100, 1},          {"d", "deci", 1, 10},           {"c", "centi", 1, 100},
    {"m", "milli", 1, 1000},         {"u", "micro", 1, 1'000'000},   {"μ", "micro", 1, 1'000'000},
    {"µ", "micro", 1, 1'000'000},    {"n", "nano", 1, 1'000'000'000}};

// The size of a known unit, of one with an SI prefix too.
std::optional<Size> SizeOf(const std::string& word) {
  static constexpr std::array<std::string_view, 15> kSymbols = {
      "m", "g", "s", "L", "N", "J", "Pa", "W", "V", "A", "Hz", "mol", "eV", "ohm", "cal"};
  static constexpr std::array<std::string_view, 14> kNames = {
      "meter", "metre",  "gram", "second", "liter",  "litre", "newton",
      "joule", "pascal", "watt", "volt",   "ampere", "hertz", "mole"};
  const auto& units = KnownUnits();
  for (const std::string_view spelling : {std::string_view(word), Singular(word)}) {
    if (const auto found = units.find(spelling); found != units.end()) return found->second;
  }
  for (const SiPrefix& prefix : kPrefixes) {
    for (const bool named : {false, true}) {
      const std::string_view front = named ? prefix.name : prefix.symbol;
      if (!std::string_view(word).starts_with(front)) continue;
      const std::string_view unit = Singular(std::string_view(word).substr(front.size()));
      const bool takes_prefix =
          named ? std::find(kNames.begin(), kNames.end(), unit) != kNames.end()
                : std::find(kSymbols.begin(), kSymbols.end(), unit) != kSymbols.end();
      const auto found = takes_prefix ? units.find(unit) : units.end();
      if (found == units.end()) continue;
      const Size& size = found->second;
      return Size{size.dimension, size.num * prefix.num, size.den * prefix.den};
    }
  }
  return std::nullopt;
}

// A unit while its words are read.
struct Reading {
  std::map<std::string, int> powers;  // of dimensions
  int64_t num = 1;
  int64_t den = 1;
  bool exact = true;  // false once the size outgrew what is compared exactly
};

// Multiplies by a size to a power.
void Multiply(const Size& size, int exponent, Reading* reading) {
  constexpr int64_t kMaxSize = int64_t{1} << 50;
  std::string_view rest = size.dimension;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    const size_t caret = part.find('^');
    const int power =
        caret == part.npos ? 1 : std::atoi(std::string(part.substr(caret + 1)).c_str());
    reading->powers[std::string(part.substr(0, caret))] += power * exponent;
  }
  for (int i = 0; i < std::abs(exponent) && reading->exact; ++i) {
    const int64_t num = exponent > 0 ? size.num : size.den;
    const int64_t den = exponent > 0 ? size.den : size.num;
    reading->exact = reading->num <= kMaxSize / num && reading->den <= kMaxSize / den;
    if (!reading->exact) break;
    const int64_t common = std::gcd(reading->num * num, reading->den * den);
    reading->num = reading->num * num / common;
    reading->den = reading->den * den / common;
  }
}

struct Factor {
  Size size;
  std::string own;  // the word itself, where no unit is known by it
  int exponent = 1;
};

// One unit word with its exponent: "cm^2", "s^-1". nullopt for what says nothing.
std::optional<Factor> FactorOf(std::string word) {
  Factor factor{{"", 1, 1}, "", 1};
  if (const size_t caret = word.find('^'); caret != std::string::npos) {
    const std::string power = word.substr(caret + 1);
    const size_t sign = power.starts_with('-') ? 1 : 0;
    const bool digit = power.size() == sign + 1 && IsDigit(power[sign]);
    if (digit) factor.exponent = (sign == 1 ? -1 : 1) * (power[sign] - '0');
    word.resize(caret);
    if (!digit || factor.exponent == 0) word += "^" + power;
  }
  if (word == "unit" || word == "units") return std::nullopt;
  auto size = SizeOf(word);
  if (!size) {
    std::transform(word.begin(), word.end(), word.begin(), Lower);
    size = SizeOf(word);
  }
  if (size) {
    factor.size = *size;
  } else {
    factor.own = Singular(word);
  }
  return factor;
}

void Multiply(const Factor& factor, int exponent, Reading* reading) {
  if (!factor.own.empty()) {
    reading->powers[factor.own] += exponent;
  } else {
    Multiply(factor.size, exponent, reading);
  }
}

}  // namespace

bool IsKnownUnit(std::string_view word) {
  // These units have two letters or more, but are rather read as products of variables.
  static constexpr std::array<std::string_view, 15> kProducts = {
      "in", "pi", "ha", "cc", "Pa", "eV", "amp", "kV", "kN", "MW", "MJ", "dL", "cL", "cal", "RMB"};
  const bool product = std::find(kProducts.begin(), kProducts.end(), word) != kProducts.end();
  if (word.size() < 2 || product) return false;
  return KnownUnits().contains(word) || KnownUnits().contains(Singular(word));
}

bool IsUnitText(std::string_view text) {
  static constexpr std::array<std::string_view, 50> kNoUnit = {
      "or",    "and",    "not",   "no",       "if",     "when",    "but",   "is",     "are",
      "than",  "plus",   "minus", "times",    "over",   "then",    "for",   "where",  "with",
      "mod",   "one",    "two",   "three",    "four",   "five",    "six",   "seven",  "eight",
      "nine",  "ten",    "half",  "maybe",    "zero",   "hundred", "dozen", "twelve", "none",
      "all",   "except", "to",    "thousand", "at",     "most",    "least", "more",   "less",
      "fewer", "above",  "below", "under",    "exactly"};
  if (text.empty() || text.size() > 40) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool exponent = IsDigit(c) && i > 0 && (text[i - 1] == '^' || text[i - 1] == '-');
    const bool letter = IsLetter(c) || (c & 0x80) != 0;
    if (!letter && !exponent && std::string_view(" /^.-").find(c) == std::string_view::npos) {
      return false;
    }
  }
  for (const std::string_view word : {"不", "非", "没", "以上", "以下", "至少", "至多", "左右",
                                      "大约", "大于", "小于", "超过", "或"}) {
    if (text.find(word) != std::string_view::npos) return false;
  }
  const std::vector<std::string> words = WordsOf(text);
  if (words.empty() || words.size() > 5) return false;
  return std::none_of(words.begin(), words.end(), [](std::string word) {
    std::transform(word.begin(), word.end(), word.begin(), Lower);
    return std::find(kNoUnit.begin(), kNoUnit.end(), word) != kNoUnit.end();
  });
}

std::optional<Unit> ParseUnit(std::string_view text) {
  Reading reading;
  std::optional<Factor> last;
  bool degrees = false;
  int modifier = 1;
  int side = 1;  // -1 behind a slash
  for (const std::string& word : WordsOf(text)) {
    if (word == "square" || word == "sq") {
      modifier = 2;
    } else if (word == "cubic" || word == "cu") {
      modifier = 3;
    } else if (word == "per" || word == "a" || word == "an" || word == "each") {
      side = -1;
    } else if ((word == "squared" || word == "cubed") && last) {
      Multiply(*last, side * last->exponent * (word == "squared" ? 1 : 2), &reading);
    } else if (word == "degree" || word == "degrees" || word == "of" || word == "the") {
      degrees |= word.starts_with("degree");
    } else if (const auto factor = FactorOf(word)) {
      last = factor;
      last->exponent *= modifier;
      Multiply(*last, side * last->exponent, &reading);
      modifier = 1;
    }
  }
  if (degrees && reading.powers.empty()) reading.powers["degree"] = 1;  // and not of Celsius
  Unit unit{"", reading.num, reading.den};
  for (const auto& [dimension, power] : reading.powers) {
    if (power == 0) continue;
    unit.dimension += (unit.dimension.empty() ? "" : " ") + dimension;
    if (power != 1) unit.dimension += "^" + std::to_string(power);
  }
  // Too large to compare sizes: only the same words are the same unit.
  if (!reading.exact) unit = {std::string(text), 1, 1};
  if (unit.dimension.empty()) return std::nullopt;
  return unit;
}

}  // namespace cohort::reward::math
