#pragma once

// The one error type. Thrown where the fault is found; caught only at the edges: program main, RPC
// handler, learner step. The message says what was wrong and where, the hint what to do about it.

#include <stdexcept>
#include <string>
#include <string_view>

namespace cohort {

enum class ErrorCode {
  kUsage,        // bad command line or recipe: exit 2
  kEnvironment,  // missing file, full disk, taken port, too little memory: exit 3
  kInterrupted,  // stopped on request, resumable: exit 4
  kDiverged,     // non-finite loss or weights: exit 5
  kUnavailable,  // a peer is gone or late; retrying may help (exit 3 if it reaches main)
  kInternal,     // broken invariant, a bug of ours: exit 70
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::string hint = "")
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

  ErrorCode code() const { return code_; }
  const std::string& hint() const { return hint_; }  // empty when there is nothing to advise

 private:
  ErrorCode code_;
  std::string hint_;
};

// Process exit status of an error that reaches main (design: 0 done, 2, 3, 4, 5, 70).
int ExitStatus(ErrorCode code);

// Prints "error: message" and "hint: ..." on stderr and returns the exit status.
int ReportError(const std::exception& error);

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line,
                              std::string_view message);

}  // namespace cohort

// Broken invariants only, never bad input. Throws Error{kInternal}.
#define COHORT_CHECK(condition, message)                                \
  do {                                                                  \
    if (!(condition)) [[unlikely]] {                                    \
      ::cohort::CheckFailed(#condition, __FILE__, __LINE__, (message)); \
    }                                                                   \
  } while (0)
