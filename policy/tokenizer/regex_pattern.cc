#include "policy/tokenizer/regex_pattern.h"

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

}  // namespace

RegexPattern::RegexPattern(const std::string& pattern) : source_(pattern) {
  if (base::ValidUtf8Prefix(pattern) != pattern.size()) {
    throw Error(ErrorCode::kUsage, "the pattern '" + pattern + "' is not UTF-8");
  }
  auto compiled = base::Regex::Compile(PatternTranslation(pattern).Run(), {.machine_code = true});
  if (auto* regex = std::get_if<base::Regex>(&compiled)) {
    regex_ = std::move(*regex);
    return;
  }
  auto fault = std::get<base::RegexFault>(compiled);
  // The offset is of the translation; the pattern itself mostly fails at a place of its own.
  const auto untranslated = base::Regex::Compile(pattern, {});
  if (const auto* own = std::get_if<base::RegexFault>(&untranslated)) fault = *own;
  throw Error(ErrorCode::kUsage, "the pattern '" + pattern + "' is not understood at offset " +
                                     std::to_string(fault.offset) + ": " + fault.message);
}

RegexPattern CompileRegex(const base::JsonPlace& pattern) {
  try {
    return RegexPattern(pattern.Text());
  } catch (const Error& error) {
    pattern.Fail(std::string("is refused: ") + error.what());
  }
}

void RegexPattern::GiveUp(const std::string& failure) const {
  throw Error(ErrorCode::kUsage, "the pattern '" + source_ + "' gave up on a text: " + failure,
              "the text is too long or too repetitive for it; split the text");
}

}  // namespace cohort::policy
