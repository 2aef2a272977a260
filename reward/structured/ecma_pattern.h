#pragma once

#include <string>

#include "base/regex.h"

namespace cohort::reward {

// A regular expression of ECMA-262, as JSON Schema's `pattern` has it, to be searched for in a
// text. Its dialect is kept: $ is the text's end alone, \d and \w are ASCII, \s all white space.
// Errors: kUsage for what is no such expression, naming what it is that ECMA-262 does not have.
base::Regex CompileEcmaPattern(const std::string& pattern);

// The same expression in the words of PCRE2.
std::string PcreOfEcma(const std::string& pattern);

}  // namespace cohort::reward
