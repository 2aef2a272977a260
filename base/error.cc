#include "base/error.h"

#include <cstdio>
#include <filesystem>
#include <new>

#include "base/file_fault.h"
#include "base/printable_text.h"

namespace cohort {

int ExitStatus(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return 2;
    case ErrorCode::kEnvironment:
    case ErrorCode::kUnavailable:
      return 3;
    case ErrorCode::kInterrupted:
      return 4;
    case ErrorCode::kDiverged:
      return 5;
    case ErrorCode::kInternal:
      return 70;
  }
  return 70;
}

int ReportError(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    std::fprintf(stderr, "error: not enough memory\nhint: use a smaller model or batch\n");
    return ExitStatus(ErrorCode::kEnvironment);
  }
  if (const auto* files = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    base::PrintNote("error: " + base::MessageOf(error));
    if (const std::string hint = base::HintOf(files->code()); !hint.empty()) {
      base::PrintNote("hint: " + hint);
    }
    return ExitStatus(ErrorCode::kEnvironment);
  }
  base::PrintNote(std::string("error: ") + error.what());
  const auto* ours = dynamic_cast<const Error*>(&error);
  if (ours == nullptr) return ExitStatus(ErrorCode::kInternal);
  if (!ours->hint().empty()) base::PrintNote("hint: " + ours->hint());
  return ExitStatus(ours->code());
}

void CheckFailed(const char* condition, const char* file, int line, std::string_view message) {
  throw Error(ErrorCode::kInternal,
              std::string(file) + ":" + std::to_string(line) + ": " + std::string(message) +
                  " (broken invariant: " + condition + ")",
              "this is a bug in cohort; please report it with the command that led here");
}

}  // namespace cohort
