#pragma once

#include <string>
#include <string_view>

namespace cohort::reward::judge {

// The rule by which an output is compared with the expected one.
struct Compare {
  enum class Method {
    kLines,   // blanks at line ends and empty lines at the end do not count
    kExact,   // byte by byte
    kTokens,  // words between white space
    kFloat,  // words; numbers within `tolerance`, absolute or relative; NaN never. Integer literals
             // are equal or not, and what is compared with one must round to it. Calls: as
             // kSequenceLenient too
    kSequenceLenient,  // calls only: a tuple equals a list
    kChecker,          // a program of the dataset decides
  };
  Method method = Method::kLines;
  double tolerance = 0;
};

// "lines", "exact", "tokens", "float:1e-6", "sequence_lenient", "checker". Throws Error{kUsage}.
Compare ParseCompare(const std::string& text);

// Any bytes, NUL too, in linear time. Not for kSequenceLenient (lines) and kChecker.
bool SameOutput(const Compare& compare, std::string_view output, std::string_view expected);

}  // namespace cohort::reward::judge
