#pragma once

// What a person sees while a run goes on. Everything goes to stderr; stdout belongs to --json.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace cohort::rl {

// One step of a run. Absent values are left out of the line.
struct Progress {
  int64_t step = 0;  // finished steps of the run
  int64_t total_steps = 0;
  std::string phase;  // "sft", "grpo", "rejection_sft", "eval"
  int round = 0;      // 1-based
  int rounds = 0;
  std::optional<double> eta_s;
  std::optional<double> loss;  // sft
  std::optional<double> reward_mean;
  std::optional<double> reward_std;
  std::optional<double> kl;
  std::optional<double> clip_fraction;  // 0..1
  std::optional<double> entropy;        // nats a token
  std::optional<double> decode_tokens_per_s;
  std::optional<double> train_tokens_per_s;
  std::optional<int64_t> zero_variance_groups;
  std::optional<int64_t> groups;
};

// "step 12/150 grpo round 2/4 | eta 1m40s | reward 0.53+-0.50 | ...", at most `width` columns.
std::string ProgressLine(const Progress& progress, int width);

// Minutes and seconds as people write them: "45s", "1m40s", "2h05m".
std::string FormatDuration(double seconds);

// Owned by one thread. On a terminal the progress line rewrites itself in place; elsewhere a plain
// line appears at most every five seconds. NO_COLOR and TERM=dumb are honoured.
class Console {
 public:
  Console();  // looks at stderr and the environment
  Console(bool terminal, bool color, int width);
  ~Console();  // leaves the last progress line standing

  void Show(const Progress& progress);
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
