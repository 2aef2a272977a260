// Any bytes as two answers, a line each: a verdict within its budget, the same both ways round for
// formulas, and never a difference between a text and itself.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "reward/math/extract/answer.h"
#include "reward/math/verifier.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cohort::reward::math::Equality;
  using cohort::reward::math::Judge;
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::string first = input.substr(0, input.find('\n'));
  const std::string second = input.substr(std::min(first.size() + 1, input.size()));
  const auto there = Judge(first, second, {});
  const auto back = Judge(second, first, {});
  const std::string method = there.method;  // an option's letter may be answered in lower case
  if (method != "text" && method != "choice" && there.equality == Equality::kEqual &&
      back.equality == Equality::kUnequal && there.gold_understood && there.pred_understood &&
      back.gold_understood && back.pred_understood) {
    std::abort();
  }
  if (first.find_first_not_of(" \t\r\n\f\v$.*,;") != std::string::npos &&
      Judge(first, first, {}).equality != Equality::kEqual) {
    std::abort();
  }
  cohort::reward::math::ExtractFromResponse(input);
  cohort::reward::math::ExtractFromAnswer(input);
  return 0;
}
