#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cohort::reward {

// A writing system, as far as telling languages apart needs it.
enum class Script {
  kNone,  // digits, punctuation, symbols, spaces: of every language
  kLatin,
  kHan,
  kKana,
  kHangul,
  kCyrillic,
  kGreek,
  kArabic,
  kHebrew,
  kDevanagari,
  kThai,
  kOther,  // letters of a script not listed
};
Script ScriptOf(uint32_t code_point);

// The language that has the word among its commonest: "en", "de", "fr", "es", "it" or "pt"; "" for
// a word that is in none or in several of the lists. `word` is folded (FoldText).
std::string_view LatinLanguageOf(std::string_view word);

}  // namespace cohort::reward
