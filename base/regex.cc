#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include <pcre2.h>

#include <vector>

#include "base/error.h"
#include "base/utf8.h"

namespace cohort::base {
namespace {

// Starting places tried between two looks at the clock.
constexpr size_t kStartsPerLook = 64;

PCRE2_SPTR Bytes(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

// Match data and a stack for machine code, one of each per thread: making them anew for each match
// would take longer than the match.
struct ThreadStack {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(64 * 1024, 4 * 1024 * 1024, nullptr);
  ThreadStack() {
    COHORT_CHECK(data != nullptr && context != nullptr && stack != nullptr, "PCRE2 has no memory");
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~ThreadStack() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

std::string ErrorText(int error) {
  PCRE2_UCHAR text[256] = "";
  pcre2_get_error_message(error, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

RegexOutcome OutcomeOf(int found) {
  if (found >= 0) return RegexOutcome::kMatch;
  if (found == PCRE2_ERROR_NOMATCH) return RegexOutcome::kNoMatch;
  const bool limit = found == PCRE2_ERROR_MATCHLIMIT || found == PCRE2_ERROR_DEPTHLIMIT ||
                     found == PCRE2_ERROR_HEAPLIMIT;
  return limit ? RegexOutcome::kTooManySteps : RegexOutcome::kFailed;
}

}  // namespace

struct Regex::Code {
  pcre2_code* compiled = nullptr;
  RegexSettings settings;
  bool machine_code = false;
  ~Code() { pcre2_code_free(compiled); }

  // Runs the interpreter, not machine code: only it keeps the bounds of steps and memory exactly.
  // The match must start in [start, last_start]. PCRE2's return value.
  int Interpret(std::string_view text, size_t start, size_t last_start, size_t* begin,
                size_t* end) const;
};

// The match data is made for each match, since it keeps the memory that a match took.
int Regex::Code::Interpret(std::string_view text, size_t start, size_t last_start, size_t* begin,
                           size_t* end) const {
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  COHORT_CHECK(context != nullptr && data != nullptr, "PCRE2 has no memory");
  pcre2_set_match_limit(context, settings.max_steps);
  pcre2_set_heap_limit(context, settings.max_heap_kib);
  if (last_start != PCRE2_UNSET) pcre2_set_offset_limit(context, last_start);
  const int found = pcre2_match(compiled, Bytes(text), text.size(), start,
                                PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, context);
  if (found >= 0) {
    *begin = pcre2_get_ovector_pointer(data)[0];
    *end = pcre2_get_ovector_pointer(data)[1];
  }
  pcre2_match_data_free(data);
  pcre2_match_context_free(context);
  return found;
}

std::variant<Regex, RegexFault> Regex::Compile(const std::string& pattern,
                                               const RegexSettings& settings) {
  uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;  // \C would split characters
  if (settings.unicode_classes) options |= PCRE2_UCP;
  if (settings.whole_text) options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
  if (!settings.machine_code) options |= PCRE2_USE_OFFSET_LIMIT;
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  code->settings = settings;
  code->compiled = pcre2_compile(Bytes(pattern), pattern.size(), options, &error, &offset, nullptr);
  if (code->compiled == nullptr) return RegexFault{ErrorText(error), offset};
  code->machine_code =
      settings.machine_code && pcre2_jit_compile(code->compiled, PCRE2_JIT_COMPLETE) == 0;
  return Regex(std::move(code));
}

RegexOutcome Regex::SearchUntil(std::string_view text,
                                const std::function<bool()>& out_of_time) const {
  COHORT_CHECK(!code_->settings.machine_code, "a search with a clock needs the interpreter");
  size_t begin, end;
  if (code_->settings.whole_text) {  // there is one place to start at
    return OutcomeOf(code_->Interpret(text, 0, PCRE2_UNSET, &begin, &end));
  }
  for (size_t start = 0; start <= text.size();) {
    if (out_of_time()) return RegexOutcome::kOutOfTime;
    const size_t last_start = start + kStartsPerLook - 1;
    const RegexOutcome outcome = OutcomeOf(code_->Interpret(text, start, last_start, &begin, &end));
    if (outcome != RegexOutcome::kNoMatch) return outcome;
    start = last_start + 1;
    while (start < text.size() && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) {
      ++start;
    }
  }
  return RegexOutcome::kNoMatch;
}

std::string Regex::RemoveMatches(const std::string& text) const {
  std::vector<PCRE2_UCHAR> out(text.size() + 1);  // removing never lengthens
  PCRE2_SIZE length = out.size();
  const int count =
      pcre2_substitute(code_->compiled, Bytes(text), text.size(), 0, PCRE2_SUBSTITUTE_GLOBAL,
                       nullptr, nullptr, Bytes(""), 0, out.data(), &length);
  if (count < 0) {
    throw Error(ErrorCode::kUsage,
                "the regular expression could not be applied: " + ErrorText(count));
  }
  return {reinterpret_cast<const char*>(out.data()), length};
}

bool RegexMatches::Next() {
  thread_local ThreadStack thread;
  while (position_ < text_.size()) {
    int found;
    if (code_.machine_code) {
      found = pcre2_jit_match(code_.compiled, Bytes(text_), text_.size(), position_,
                              PCRE2_NO_UTF_CHECK, thread.data, thread.context);
      const PCRE2_SIZE* range = pcre2_get_ovector_pointer(thread.data);
      begin_ = range[0];
      end_ = range[1];
    } else {
      found = code_.Interpret(text_, position_, PCRE2_UNSET, &begin_, &end_);
    }
    if (found < 0) {
      error_ = found == PCRE2_ERROR_NOMATCH ? 0 : found;
      return false;
    }
    if (begin_ >= position_ && end_ > begin_) {
      position_ = end_;
      return true;
    }
    if (begin_ > position_) position_ = begin_;  // an empty match: step over one character
    if (position_ < text_.size()) position_ += DecodeUtf8(text_, position_).length;
  }
  return false;
}

std::string RegexMatches::failure() const { return error_ == 0 ? "" : ErrorText(error_); }

}  // namespace cohort::base
