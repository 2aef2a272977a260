#pragma once

#include <string>
#include <string_view>

namespace cohort::reward::math {

struct NumberShape {
  std::string plain;     // digits [.[digits]] [e[-]digits]
  bool grouped = false;  // a plain comma stood between thousands
  size_t width = 0;      // bytes of the text
};

// The unsigned number that the text begins with: a digit, or a point and a digit.
NumberShape ReadNumber(std::string_view text, bool comma_thousands);

}  // namespace cohort::reward::math
