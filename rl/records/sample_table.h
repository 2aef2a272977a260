#pragma once

// Tables of samples for the console; each fits into `width` columns.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace cohort::rl {

struct SampleRow {
  std::string prompt;
  std::string completion;
  std::vector<std::pair<std::string, double>>
      rewards;  // components that apply, then the weighted sum; NaN = failed
  double advantage = 0;
  int64_t tokens = 0;         // of the completion
  std::string finish_reason;  // "stop", "length", ...
  uint64_t policy_version = 0;
};
std::string SampleTable(const std::vector<SampleRow>& rows, int width);

struct BeforeAfterRow {
  std::string prompt;
  std::string answer;
  std::string before;  // completion of the policy that the run started from
  std::string after;
  bool before_correct = false;
  bool after_correct = false;
};
std::string BeforeAfterTable(const std::vector<BeforeAfterRow>& rows, int width);

// One line of printable text (base/printable_text.h), \n and \t escaped too; cut to `columns` with
// "...". Counts code points.
std::string Shorten(const std::string& text, int columns);

}  // namespace cohort::rl
