#pragma once

// What a process says on stderr: its log, and the file that keeps all of it too.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace cohort::base {

// Appends console output to a file as plain lines: without escape sequences and control characters;
// of a line that rewrites itself in place (\r) one state every five seconds. Every finished line is
// the kernel's before Write returns, so that a kill of the process loses none. Owned by one thread
// at a time.
class ConsoleLog {
 public:
  // Errors: kEnvironment naming the path.
  explicit ConsoleLog(const std::filesystem::path& path);
  ~ConsoleLog();  // ends an unfinished line
  ConsoleLog(const ConsoleLog&) = delete;
  ConsoleLog& operator=(const ConsoleLog&) = delete;

  // False when the disk is full or the like: what was written before stays.
  bool Write(std::string_view text);

 private:
  enum class Escape { kNone, kStarted, kSequence };  // after ESC; after ESC [
  bool EndLine();

  int fd_ = -1;
  std::string line_;
  Escape escape_ = Escape::kNone;
  bool rewriting_ = false;  // a \r was met: the line goes unless a \n follows
  std::optional<std::chrono::steady_clock::time_point> last_rewritten_;
};

// From now on what this process writes to `stderr` and std::cerr is appended to `path` too,
// beginning with a line of the time (UTC) and `heading`. Call once, before other threads write.
// Errors: kEnvironment.
void KeepConsole(const std::filesystem::path& path, const std::string& heading);

// The program's log goes to stderr under its name, as PrintableText of base/printable_text.h:
// messages of services and peers are part of it. Call at the start of main, and again after
// KeepConsole, which makes stderr another stream.
void LogToStderr(const std::string& program);

}  // namespace cohort::base
