#define PCRE2_CODE_UNIT_WIDTH 8
#include "policy/regex_pattern.h"

#include <pcre2.h>

#include "base/error.h"
#include "base/utf8.h"

namespace cohort::policy {
namespace {

// PCRE2's \s also takes U+180E, which left White_Space in Unicode 6.3; spelled out it is as
// elsewhere.
std::string SpellOutWhitespace(const std::string& pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      if (escaped == 's') {
        out += in_class ? "\\t-\\r\\x{85}\\p{Z}" : "[\\t-\\r\\x{85}\\p{Z}]";
      } else if (escaped == 'S' && !in_class) {
        out += "[^\\t-\\r\\x{85}\\p{Z}]";
      } else {
        out += c;
        out += escaped;
      }
      continue;
    }
    if (c == '[' && !in_class) {
      in_class = true;
    } else if (c == ']') {
      in_class = false;
    }
    out += c;
  }
  return out;
}

// Match data and a stack for compiled code, one of each per thread.
struct Scratch {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(64 * 1024, 4 * 1024 * 1024, nullptr);
  Scratch() {
    COHORT_CHECK(data != nullptr && context != nullptr && stack != nullptr, "PCRE2 has no memory");
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~Scratch() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

std::string ErrorText(int code) {
  char text[256] = "";
  pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof(text));
  return text;
}

}  // namespace

struct RegexPattern::Code {
  pcre2_code* code = nullptr;
  std::string source;
  bool compiled = false;
  ~Code() { pcre2_code_free(code); }
};

RegexPattern::RegexPattern(const std::string& pattern) {
  auto made = std::make_shared<Code>();
  made->source = pattern;
  if (base::ValidUtf8Prefix(pattern) != pattern.size()) {
    throw Error(ErrorCode::kUsage, "the pattern '" + pattern + "' is not UTF-8");
  }
  const std::string spelled = SpellOutWhitespace(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  made->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (made->code == nullptr) {
    throw Error(ErrorCode::kUsage, "the pattern '" + spelled + "' is not understood at offset " +
                                       std::to_string(offset) + ": " + ErrorText(error));
  }
  made->compiled = pcre2_jit_compile(made->code, PCRE2_JIT_COMPLETE) == 0;
  code_ = std::move(made);
}

RegexPattern::Matcher::Matcher(const RegexPattern& pattern, std::string_view text)
    : code_(*pattern.code_), text_(text) {}

bool RegexPattern::Matcher::Next(size_t* begin, size_t* end) {
  Scratch& scratch = ThreadScratch();
  while (position_ < text_.size()) {
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text_.data());
    const int found = code_.compiled
                          ? pcre2_jit_match(code_.code, subject, text_.size(), position_,
                                            PCRE2_NO_UTF_CHECK, scratch.data, scratch.context)
                          : pcre2_match(code_.code, subject, text_.size(), position_,
                                        PCRE2_NO_UTF_CHECK, scratch.data, scratch.context);
    if (found == PCRE2_ERROR_NOMATCH) return false;
    if (found < 0) {
      throw Error(ErrorCode::kUsage,
                  "the pattern '" + code_.source + "' gave up on a text: " + ErrorText(found),
                  "the text is too long or too repetitive for it; split the text");
    }
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(scratch.data);
    *begin = range[0];
    *end = range[1];
    if (*begin >= position_ && *end > *begin) {
      position_ = *end;
      return true;
    }
    if (*begin > position_) position_ = *begin;  // an empty match: step over one character
    if (position_ < text_.size()) position_ += base::DecodeUtf8(text_, position_).length;
  }
  return false;
}

}  // namespace cohort::policy
