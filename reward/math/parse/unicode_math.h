#pragma once

// Mathematical characters outside ASCII as the LaTeX that means the same.

#include <string>
#include <string_view>

namespace cohort::reward::math {

// True where the text has any byte above ASCII.
bool HasUnicode(std::string_view text);

// "√2 × ½" as "\sqrt 2 \times \frac{1}{2} "; runs of superscripts and subscripts in braces. Unknown
// characters stay. Linear time.
std::string UnicodeToLatex(std::string_view text);

}  // namespace cohort::reward::math
