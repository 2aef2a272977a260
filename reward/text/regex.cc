#include "reward/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

namespace cohort::reward {
namespace {

constexpr size_t kMaxPatternBytes = 16 * 1024;
// PCRE2 counts steps for each place where a match may start. A full match has one such place.
constexpr uint32_t kFullSteps = 2'000'000;
constexpr uint32_t kSearchSteps = 100'000;
constexpr uint32_t kHeapKib = 32 * 1024;
// Starting places tried between two looks at the clock.
constexpr size_t kStartsPerLook = 64;

std::string PcreMessage(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

}  // namespace

struct Regex::Compiled {
  Compiled(const std::string& pattern, uint32_t options, uint32_t step_limit) : steps(step_limit) {
    int error = 0;
    PCRE2_SIZE at = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | options, &error, &at,
                         nullptr);
    if (code == nullptr) {
      throw Error(ErrorCode::kUsage,
                  "pattern " + Quote(pattern) + " at byte " + std::to_string(at) + ": " +
                      PcreMessage(error),
                  "patterns are Perl-compatible regular expressions (PCRE2)");
    }
  }
  ~Compiled() { pcre2_code_free(code); }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;

  pcre2_code* code = nullptr;
  uint32_t steps;
};

Regex::Regex(const std::string& pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    throw Error(ErrorCode::kUsage, "the pattern has " + std::to_string(pattern.size()) +
                                       " bytes, more than " + std::to_string(kMaxPatternBytes));
  }
  full_ = std::make_unique<Compiled>(pattern, PCRE2_ANCHORED | PCRE2_ENDANCHORED, kFullSteps);
  search_ = std::make_unique<Compiled>(pattern, PCRE2_USE_OFFSET_LIMIT, kSearchSteps);
}

Regex::~Regex() = default;

// The interpreter, not the JIT: only it keeps the step and heap limits exactly.
Regex::Outcome Regex::Try(const Compiled& code, std::string_view subject, size_t start,
                          size_t last_start) const {
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(context, code.steps);
  pcre2_set_heap_limit(context, kHeapKib);
  if (&code == search_.get()) pcre2_set_offset_limit(context, last_start);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  const int result =
      pcre2_match(code.code, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(), start,
                  PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, context);
  pcre2_match_data_free(data);
  pcre2_match_context_free(context);
  if (result >= 0) return Outcome::kMatch;
  if (result == PCRE2_ERROR_NOMATCH) return Outcome::kNoMatch;
  const bool limit = result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_DEPTHLIMIT ||
                     result == PCRE2_ERROR_HEAPLIMIT;
  return limit ? Outcome::kTooManySteps : Outcome::kFailed;
}

Regex::Outcome Regex::MatchFull(std::string_view subject, const Budget&) const {
  return Try(*full_, subject, 0, 0);
}

Regex::Outcome Regex::Search(std::string_view subject, const Budget& budget) const {
  for (size_t start = 0; start <= subject.size();) {
    if (budget.Exhausted()) return Outcome::kOutOfTime;
    const size_t last_start = start + kStartsPerLook - 1;
    const Outcome outcome = Try(*search_, subject, start, last_start);
    if (outcome != Outcome::kNoMatch) return outcome;
    start = last_start + 1;
    while (start < subject.size() && (static_cast<unsigned char>(subject[start]) & 0xC0) == 0x80) {
      ++start;
    }
  }
  return Outcome::kNoMatch;
}

}  // namespace cohort::reward
