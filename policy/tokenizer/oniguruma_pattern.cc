#include "policy/tokenizer/oniguruma_pattern.h"

#include <oniguruma.h>

#include "base/error.h"
#include "base/utf8.h"
#include "policy/tokenizer/unicode_additions.h"

namespace cohort::policy {
namespace {

const OnigUChar* Bytes(std::string_view text) {
  return reinterpret_cast<const OnigUChar*>(text.data());
}

// Characters that \w matches and [\w] does not: the fractions and raised digits of Latin-1.
constexpr char kWordOutsideClass[] = "\\x{B2}-\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";

// Writes a pattern for 6.9.8 and Unicode 14 so that it means what it does to 6.9.10 and Unicode 16:
// puts the added characters beside each set that gained some and into \b, gives [:punct:] the
// symbols that it got in 6.9.9, and spells out \N and \O. What \X, \y and the names of other
// properties know stays Unicode 14.
class NewerMeaning {
 public:
  explicit NewerMeaning(const std::string& pattern) : pattern_(pattern) {}

  std::string Run() {
    while (at_ < pattern_.size()) {
      if (pattern_[at_] == '\\' && at_ + 1 < pattern_.size()) {
        TakeEscape();
      } else if (depth_ > 0 && pattern_.compare(at_, 2, "[:") == 0) {
        TakeBracket();
      } else {
        depth_ += pattern_[at_] == '[' ? 1 : (pattern_[at_] == ']' && depth_ > 0 ? -1 : 0);
        out_ += pattern_[at_++];
      }
    }
    return std::move(out_);
  }

 private:
  void TakeEscape() {
    const char kind = pattern_[at_ + 1];
    if (kind == 'w' || kind == 'W') return Widen(2, "word", kind == 'W');
    if (kind == 'd' || kind == 'D') return Widen(2, "digit", kind == 'D');
    const size_t close = pattern_.find('}', at_);
    if ((kind == 'p' || kind == 'P') && pattern_.compare(at_ + 2, 1, "{") == 0 &&
        close != std::string::npos) {
      const bool inverse = pattern_.compare(at_ + 3, 1, "^") == 0;
      const size_t name = at_ + (inverse ? 4 : 3);
      return Widen(close + 1 - at_, pattern_.substr(name, close - name), (kind == 'P') != inverse);
    }
    at_ += 2;
    const std::string word = "(?-i:[\\w" + UnicodeAdditions("word") + kWordOutsideClass + "])";
    const std::string starts = "(?<!" + word + ")(?=" + word + ")";
    const std::string ends = "(?<=" + word + ")(?!" + word + ")";
    if (depth_ == 0 && kind == 'b') {
      out_ += "(?:" + starts + "|" + ends + ")";
    } else if (depth_ == 0 && kind == 'B') {
      out_ += "(?!" + starts + "|" + ends + ")";
    } else if (depth_ == 0 && kind == 'N') {
      out_ += "[^\\n]";
    } else if (depth_ == 0 && kind == 'O') {
      out_ += "(?m:.)";
    } else {
      out_.append(pattern_, at_ - 2, 2);
    }
  }

  // [:name:] and [:^name:] of a class.
  void TakeBracket() {
    const size_t close = pattern_.find(":]", at_);
    const bool inverse = pattern_.compare(at_ + 2, 1, "^") == 0;
    const size_t name = at_ + (inverse ? 3 : 2);
    if (close == std::string::npos || close < name) {
      out_ += pattern_[at_++];
      ++depth_;
      return;
    }
    Widen(close + 2 - at_, pattern_.substr(name, close - name), inverse);
  }

  // Copies the next `length` bytes, which are the set of that name or its opposite. Outside of a
  // class Oniguruma folds no case of a set.
  void Widen(size_t length, const std::string& name, bool negated) {
    const std::string written = pattern_.substr(at_, length);
    at_ += length;
    std::string more = UnicodeAdditions(name);
    if (written.ends_with("punct:]")) more += "\\p{S}" + UnicodeAdditions("S");
    if (LosesCharacters(name)) negated = !negated;
    if (more.empty()) {
      out_ += written;
    } else if (depth_ == 0) {
      if (name == "word") more += kWordOutsideClass;
      out_ +=
          negated ? "(?-i:[" + written + "&&[^" + more + "]])" : "(?-i:[" + written + more + "])";
    } else if (negated) {  // both without: an intersection
      out_ += written.front() == '[' ? "[[" + written + "]&&[^" + more + "]]"
                                     : "[" + written + "&&[^" + more + "]]";
    } else {
      out_ += written + more;
    }
  }

  const std::string& pattern_;
  size_t at_ = 0;
  int depth_ = 0;  // of character classes
  std::string out_;
};

std::string ErrorText(int code, OnigErrorInfo* info) {
  OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN] = "";
  const int length = onig_error_code_to_str(text, code, info);
  return std::string(reinterpret_cast<const char*>(text), static_cast<size_t>(length));
}

void Initialize() {
  static const int status = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    return onig_initialize(encodings, 1);
  }();
  COHORT_CHECK(status == ONIG_NORMAL, "Oniguruma cannot be initialized");
}

}  // namespace

struct OnigurumaPattern::Code {
  regex_t* compiled = nullptr;
  ~Code() { onig_free(compiled); }
};

std::variant<OnigurumaPattern, OnigurumaPattern::Fault> OnigurumaPattern::Compile(
    const std::string& pattern) {
  Initialize();
  const std::string newer = NewerMeaning(pattern).Run();
  auto code = std::make_shared<Code>();
  OnigErrorInfo info;
  // Only parsing fills it, and the message may ask for it.
  info.par = nullptr;
  info.par_end = nullptr;
  const int status = onig_new(&code->compiled, Bytes(newer), Bytes(newer) + newer.size(),
                              ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
  if (status != ONIG_NORMAL) return Fault{ErrorText(status, &info)};
  return OnigurumaPattern(std::move(code));
}

std::string OnigurumaPattern::ForEachMatch(
    std::string_view text, const std::function<void(size_t begin, size_t end)>& sink) const {
  const std::unique_ptr<OnigRegion, void (*)(OnigRegion*)> region(
      onig_region_new(), [](OnigRegion* made) { onig_region_free(made, /*free_self=*/1); });
  const OnigUChar* const end = Bytes(text) + text.size();
  size_t at = 0;
  size_t last_end = std::string_view::npos;
  while (at <= text.size()) {
    const int found = onig_search(code_->compiled, Bytes(text), end, Bytes(text) + at, end,
                                  region.get(), ONIG_OPTION_NONE);
    if (found == ONIG_MISMATCH) return "";
    if (found < 0) return ErrorText(found, nullptr);
    const size_t begin_of_match = static_cast<size_t>(region->beg[0]);
    const size_t end_of_match = static_cast<size_t>(region->end[0]);
    if (begin_of_match == end_of_match && end_of_match == last_end) {
      if (at == text.size()) return "";
      at += base::DecodeUtf8(text, at).length;
      continue;
    }
    at = last_end = end_of_match;
    sink(begin_of_match, end_of_match);
  }
  return "";
}

}  // namespace cohort::policy
