#pragma once

// The console of a run: everything goes to stderr, since stdout belongs to --json.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "rl/records/step_metrics.h"

namespace cohort::rl {

// The rest of a progress line, besides the step's own figures.
struct RunPosition {
  int64_t total_steps = 0;
  int rounds = 0;
  std::optional<double> eta_s;
};

// "step 12/150 grpo round 2/4 | eta 1m40s | reward 0.53+-0.50 | ...", at most `width` columns: the
// figures of Figures() that have a place on it.
std::string ProgressLine(const StepMetrics& metrics, const RunPosition& position, int width);

// Minutes and seconds as people write them: "45s", "1m40s", "2h05m".
std::string FormatDuration(double seconds);

// Owned by one thread. On a terminal the progress line rewrites itself in place; elsewhere a plain
// line appears at most every five seconds. NO_COLOR and TERM=dumb are honoured.
class Console {
 public:
  Console();  // looks at stderr and the environment
  Console(bool terminal, bool color, int width);
  ~Console();  // leaves the last progress line standing

  void Show(const StepMetrics& metrics, const RunPosition& position);
  void Note(const std::string& text);  // a line (or several) of its own
  void Warn(const std::string& text);  // the same, marked "warning: "
  void Heading(const std::string& text);
  int width() const { return width_; }

 private:
  void EndProgressLine();

  bool terminal_;
  bool color_;
  int width_;
  bool line_open_ = false;
  std::optional<std::chrono::steady_clock::time_point> last_line_;
};

}  // namespace cohort::rl
