#define PCRE2_CODE_UNIT_WIDTH 8
#include "policy/tokenizer/regex_pattern.h"

#include <pcre2.h>

#include "base/error.h"
#include "base/utf8.h"
#include "policy/tokenizer/unicode_additions.h"

namespace cohort::policy {
namespace {

constexpr std::string_view kSpace = "\\t-\\r\\x{85}\\p{Z}";

// Says with PCRE2's means what Oniguruma means by the classes of tokenizers' patterns. PCRE2's \s
// also takes U+180E, which left White_Space in Unicode 6.3; its \p{Han} goes by script extensions;
// its \p{L} and the like know an older Unicode.
class PatternTranslation {
 public:
  explicit PatternTranslation(const std::string& pattern) : pattern_(pattern) {}

  std::string Run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_++];
      if (c == '\\' && at_ < pattern_.size()) {
        TakeEscape();
        continue;
      }
      if (c == '[' && !in_class_) {
        in_class_ = true;
      } else if (c == ']') {
        in_class_ = false;
      }
      out_ += c;
    }
    return std::move(out_);
  }

 private:
  void TakeEscape() {
    const char escaped = pattern_[at_++];
    const size_t close = pattern_.find('}', at_);
    if (escaped == 's' || (escaped == 'S' && !in_class_)) {
      Class(std::string(kSpace), escaped == 'S');
    } else if (escaped == 'd' || (escaped == 'D' && !in_class_)) {
      Class("\\p{Nd}" + UnicodeAdditions("Nd"), escaped == 'D');
    } else if ((escaped == 'p' || (escaped == 'P' && !in_class_)) && at_ < pattern_.size() &&
               pattern_[at_] == '{' && close != std::string::npos) {
      const std::string name = pattern_.substr(at_ + 1, close - at_ - 1);
      at_ = close + 1;
      Class((name == "Han" ? "\\p{sc:Han}" : "\\p{" + name + "}") + UnicodeAdditions(name),
            escaped == 'P');
    } else {
      out_ += '\\';
      out_ += escaped;
    }
  }

  void Class(const std::string& inside, bool negated) {
    out_ += in_class_ ? inside : (negated ? "[^" : "[") + inside + "]";
  }

  const std::string& pattern_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

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
  const std::string spelled = PatternTranslation(pattern).Run();
  int error = 0;
  PCRE2_SIZE offset = 0;
  made->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (made->code == nullptr) {
    // The offset is of the translation; the pattern itself mostly fails at a place of its own.
    pcre2_code* const untranslated =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                      PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    pcre2_code_free(untranslated);
    throw Error(ErrorCode::kUsage, "the pattern '" + pattern + "' is not understood at offset " +
                                       std::to_string(offset) + ": " + ErrorText(error));
  }
  made->compiled = pcre2_jit_compile(made->code, PCRE2_JIT_COMPLETE) == 0;
  code_ = std::move(made);
}

RegexPattern CompileRegex(const base::JsonPlace& pattern) {
  try {
    return RegexPattern(pattern.Text());
  } catch (const Error& error) {
    pattern.Fail(std::string("is refused: ") + error.what());
  }
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
