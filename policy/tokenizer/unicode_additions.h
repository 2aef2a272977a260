#pragma once

#include <string>
#include <string_view>

namespace cohort::policy {

// Code points of a general category ("L", "Lu", "Nd", ..) or of the script "Han" that Unicode 15
// and 16 added, as the inside of a character class of PCRE2; empty for a name without any. Hugging
// Face tokenizers matches with the tables of Unicode 16, PCRE2 10.42 with those of Unicode 14.
std::string UnicodeAdditions(std::string_view name);

}  // namespace cohort::policy
