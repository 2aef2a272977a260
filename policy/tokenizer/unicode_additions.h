#pragma once

#include <string>
#include <string_view>

namespace cohort::policy {

// Code points that Unicode 15 and 16 added to a general category ("L", "Lu", "Letter", ..), to one
// of the larger scripts ("Han", "Latin", ..) or to a POSIX bracket ("alpha", "word", ..), as the
// inside of a character class; empty for a name without any. Hugging Face tokenizers matches with
// the tables of Unicode 16, Debian's PCRE2 10.42 and Oniguruma 6.9.8 with those of Unicode 14.
std::string UnicodeAdditions(std::string_view name);

// For "C", "Cn" and their long names: the characters above left it.
bool LosesCharacters(std::string_view name);

}  // namespace cohort::policy
