#include "base/console_log.h"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <mutex>
#include <streambuf>

#include "base/error.h"
#include "base/printable_text.h"
#include "base/utc_now.h"

namespace cohort::base {
namespace {

class PrintableFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    spdlog::memory_buf_t line;
    pattern_.format(message, line);
    const std::string printable = PrintableText({line.data(), line.size()});
    out.append(printable.data(), printable.data() + printable.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<PrintableFormatter>();
  }

 private:
  spdlog::pattern_formatter pattern_;  // spdlog's own pattern, with the line's end
};

constexpr std::chrono::seconds kRewrittenInterval{5};

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// The terminal and the file. Lives to the end of the process, whose last words pass through it.
struct Tee {
  std::mutex mutex;
  ConsoleLog log;
  bool failed = false;

  void Write(std::string_view text) {
    const std::lock_guard lock(mutex);
    WriteAll(STDERR_FILENO, text);
    if (failed || log.Write(text)) return;
    failed = true;
    WriteAll(STDERR_FILENO, std::string("warning: console.log cannot be written from here on: ") +
                                std::strerror(errno) + "\n");
  }
};

ssize_t WriteToTee(void* tee, const char* text, size_t size) {
  static_cast<Tee*>(tee)->Write({text, size});
  return static_cast<ssize_t>(size);
}

// std::cerr is bound to the stderr that the process began with.
class TeeBuffer final : public std::streambuf {
 public:
  explicit TeeBuffer(Tee* tee) : tee_(tee) {}

 private:
  int_type overflow(int_type letter) override {
    if (letter != traits_type::eof()) {
      const char byte = traits_type::to_char_type(letter);
      tee_->Write({&byte, 1});
    }
    return letter;
  }
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    tee_->Write({text, static_cast<size_t>(size)});
    return size;
  }

  Tee* tee_;
};

}  // namespace

ConsoleLog::ConsoleLog(const std::filesystem::path& path)
    : fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644)) {
  if (fd_ < 0) {
    throw Error(ErrorCode::kEnvironment,
                "cannot write " + path.string() + ": " + std::strerror(errno));
  }
}

ConsoleLog::~ConsoleLog() {
  if (!line_.empty()) EndLine();
  close(fd_);
}

bool ConsoleLog::EndLine() {
  line_ += '\n';
  const bool written = WriteAll(fd_, line_);
  line_.clear();
  return written;
}

bool ConsoleLog::Write(std::string_view text) {
  bool written = true;
  for (const char letter : text) {
    if (escape_ == Escape::kSequence) {  // ECMA-48: parameters, then a byte from @ to ~
      if (letter >= '@' && letter <= '~') escape_ = Escape::kNone;
    } else if (escape_ == Escape::kStarted) {
      escape_ = letter == '[' ? Escape::kSequence : Escape::kNone;
    } else if (letter == '\x1b') {
      escape_ = Escape::kStarted;
    } else if (letter == '\n') {
      rewriting_ = false;
      written = EndLine() && written;
    } else if (letter == '\r') {
      rewriting_ = !line_.empty();
    } else if (letter == '\t' || !(static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f)) {
      if (std::exchange(rewriting_, false)) {
        const auto now = std::chrono::steady_clock::now();
        const bool due = !last_rewritten_ || now - *last_rewritten_ >= kRewrittenInterval;
        if (due) {
          last_rewritten_ = now;
          written = EndLine() && written;
        }
        line_.clear();
      }
      line_ += letter;
    }
  }
  return written;
}

void KeepConsole(const std::filesystem::path& path, const std::string& heading) {
  static Tee* const tee = new Tee{.mutex = {}, .log = ConsoleLog(path)};
  tee->log.Write(UtcNow() + " " + heading + "\n");
  std::fflush(stderr);
  // A variable that may be set (glibc manual, section 12.2).
  FILE* const both = fopencookie(tee, "w", {nullptr, WriteToTee, nullptr, nullptr});
  COHORT_CHECK(both != nullptr, "no memory for a stream");
  std::setvbuf(both, nullptr, _IOLBF, BUFSIZ);
  stderr = both;
  static TeeBuffer* const buffer = new TeeBuffer(tee);
  std::cerr.rdbuf(buffer);
}

void LogToStderr(const std::string& program) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>(program, std::move(sink));
  logger->set_formatter(std::make_unique<PrintableFormatter>());
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace cohort::base
