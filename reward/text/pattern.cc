#include "reward/text/pattern.h"

#include "base/error.h"
#include "reward/grader.h"

namespace cohort::reward {
namespace {

constexpr size_t kMaxPatternBytes = 16 * 1024;
// PCRE2 counts steps for each place where a match may start. A match of the whole text has one.
constexpr uint32_t kWholeTextSteps = 2'000'000;
constexpr uint32_t kSearchSteps = 100'000;
constexpr uint32_t kHeapKib = 32 * 1024;

base::Regex CompileBounded(const std::string& pattern, const base::RegexSettings& settings) {
  if (pattern.size() > kMaxPatternBytes) {
    throw Error(ErrorCode::kUsage, "the pattern has " + std::to_string(pattern.size()) +
                                       " bytes, more than " + std::to_string(kMaxPatternBytes));
  }
  auto compiled = base::Regex::Compile(pattern, settings);
  if (const auto* fault = std::get_if<base::RegexFault>(&compiled)) {
    throw Error(ErrorCode::kUsage,
                "pattern " + Quote(pattern) + " at byte " + std::to_string(fault->offset) + ": " +
                    fault->message,
                "patterns are Perl-compatible regular expressions (PCRE2)");
  }
  return std::get<base::Regex>(std::move(compiled));
}

}  // namespace

base::Regex CompileSearchPattern(const std::string& pattern, bool unicode_classes) {
  return CompileBounded(
      pattern,
      {.unicode_classes = unicode_classes, .max_steps = kSearchSteps, .max_heap_kib = kHeapKib});
}

base::Regex CompileWholeTextPattern(const std::string& pattern) {
  return CompileBounded(
      pattern, {.whole_text = true, .max_steps = kWholeTextSteps, .max_heap_kib = kHeapKib});
}

}  // namespace cohort::reward
