#pragma once

// Python's str methods, on UTF-8. Positions and lengths count code points. Case mapping is
// Unicode's full one.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cohort::policy {

struct StripSides {
  bool left = true, right = true;
};
// Whitespace when `characters` is not given.
std::string PythonStrip(std::string_view text, std::optional<std::string_view> characters,
                        StripSides sides = {});
// On runs of whitespace when `separator` is not given; `limit` < 0: no limit.
std::vector<std::string> PythonSplit(std::string_view text,
                                     std::optional<std::string_view> separator, int64_t limit);
std::vector<std::string> PythonSplitFromRight(std::string_view text,
                                              std::optional<std::string_view> separator,
                                              int64_t limit);
std::vector<std::string> PythonSplitLines(std::string_view text, bool keep_ends);
std::string PythonReplace(std::string_view text, std::string_view from, std::string_view to,
                          int64_t limit);

std::string PythonUpper(std::string_view text);
std::string PythonLower(std::string_view text);
std::string PythonCapitalize(std::string_view text);
std::string PythonTitle(std::string_view text);
std::string PythonCaseFold(std::string_view text);
std::string PythonSwapCase(std::string_view text);

int64_t CountCodePoints(std::string_view text);
std::vector<std::string> Characters(std::string_view text);

// Non-empty and every code point of the kind.
bool AllDigits(std::string_view text);
bool AllDecimal(std::string_view text);  // of any script
bool AllNumbers(std::string_view text);  // category N
bool AllAlphanumeric(std::string_view text);
bool AllLetters(std::string_view text);
bool AllSpaces(std::string_view text);

}  // namespace cohort::policy
