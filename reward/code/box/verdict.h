#pragma once

#include <string>

namespace cohort::reward::judge {

// The way one test ended; in every case it is the submission's own doing.
enum class TestVerdict {
  kAccepted,
  kWrongAnswer,
  kRuntimeError,
  kTimeLimit,
  kMemoryLimit,
  kOutputLimit,
  kCompileError,
};

constexpr const char* VerdictName(TestVerdict verdict) {
  switch (verdict) {
    case TestVerdict::kAccepted:
      return "accepted";
    case TestVerdict::kWrongAnswer:
      return "wrong_answer";
    case TestVerdict::kRuntimeError:
      return "runtime_error";
    case TestVerdict::kTimeLimit:
      return "time_limit";
    case TestVerdict::kMemoryLimit:
      return "memory_limit";
    case TestVerdict::kOutputLimit:
      return "output_limit";
    case TestVerdict::kCompileError:
      return "compile_error";
  }
  return "runtime_error";
}

struct TestResult {
  TestVerdict verdict = TestVerdict::kAccepted;
  std::string detail;  // untrusted text, at most ~200 bytes
};

}  // namespace cohort::reward::judge
