#include "rl/records/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/printable_text.h"
#include "rl/records/sample_table.h"

namespace cohort::rl {
namespace {

constexpr auto kPlainLineInterval = std::chrono::seconds(5);

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char buffer[128];
  std::snprintf(buffer, sizeof(buffer), format, values...);
  return buffer;
}

int TerminalWidth() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 120;
}

bool DumbTerminal() {
  const char* term = std::getenv("TERM");
  return term == nullptr || std::strcmp(term, "dumb") == 0;
}

bool NoColor() {
  const char* value = std::getenv("NO_COLOR");  // https://no-color.org
  return value != nullptr && *value != '\0';
}

}  // namespace

std::string FormatDuration(double seconds) {
  const auto whole = static_cast<long long>(std::llround(std::clamp(seconds, 0.0, 1e12)));
  if (whole < 60) return Format("%llds", whole);
  if (whole < 3600) return Format("%lldm%02llds", whole / 60, whole % 60);
  return Format("%lldh%02lldm", whole / 3600, whole / 60 % 60);
}

std::string ProgressLine(const StepMetrics& metrics, const RunPosition& position, int width) {
  std::string line = Format("step %lld/%lld %s round %lld/%d", static_cast<long long>(metrics.step),
                            static_cast<long long>(position.total_steps), metrics.phase.c_str(),
                            static_cast<long long>(metrics.round), position.rounds);
  if (position.eta_s) line += " | eta " + FormatDuration(*position.eta_s);
  for (const Figure& figure : Figures()) {
    const std::string part = figure.progress != nullptr ? figure.progress(metrics) : "";
    if (!part.empty()) line += " | " + part;
  }
  return Shorten(line, width);
}

Console::Console()
    : Console(isatty(STDERR_FILENO) == 1 && !DumbTerminal(), !NoColor(), TerminalWidth()) {}

Console::Console(bool terminal, bool color, int width)
    : terminal_(terminal), color_(terminal && color), width_(std::max(20, width)) {}

Console::~Console() { EndProgressLine(); }

void Console::EndProgressLine() {
  if (line_open_) std::fputc('\n', stderr);
  line_open_ = false;
}

void Console::Show(const StepMetrics& metrics, const RunPosition& position) {
  const bool last = metrics.step == position.total_steps;
  if (terminal_) {
    // One column less: a full last column makes some terminals wrap. ESC [K clears the rest.
    std::fprintf(stderr, "\r%s\x1b[K", ProgressLine(metrics, position, width_ - 1).c_str());
    line_open_ = true;
  } else {
    const auto now = std::chrono::steady_clock::now();
    if (!last && last_line_ && now - *last_line_ < kPlainLineInterval) return;
    last_line_ = now;
    std::fprintf(stderr, "%s\n", ProgressLine(metrics, position, INT32_MAX).c_str());
  }
  std::fflush(stderr);
}

void Console::Note(const std::string& text) {
  EndProgressLine();
  base::PrintNote(text);
}

void Console::Warn(const std::string& text) {
  EndProgressLine();
  std::fprintf(stderr, color_ ? "\x1b[33mwarning:\x1b[0m %s\n" : "warning: %s\n",
               base::PrintableText(text).c_str());
}

void Console::Heading(const std::string& text) {
  EndProgressLine();
  std::fprintf(stderr, color_ ? "\x1b[1m%s\x1b[0m\n" : "%s\n", base::PrintableText(text).c_str());
}

}  // namespace cohort::rl
