#include "policy/tokenizer/shared_pattern.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "policy/tokenizer/unicode_additions.h"

namespace cohort::policy {
namespace {

// PCRE2's \s also takes U+180E, which left White_Space in Unicode 6.3.
constexpr std::string_view kSpace = "\\t-\\r\\x{85}\\p{Z}";
constexpr int kMaxDepth = 100;
constexpr int kMaxRepeats = 1000;

constexpr std::array<std::string_view, 31> kCategories = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N",  "Nd", "Nl", "No", "P", "Pc",
    "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp"};

struct NotShared {};

bool IsAsciiPunctuation(char c) { return std::ispunct(static_cast<unsigned char>(c)) != 0; }

std::string Hex(uint32_t code_point) {
  char text[16];
  std::snprintf(text, sizeof(text), "\\x{%X}", code_point);
  return text;
}

class Reader {
 public:
  explicit Reader(const std::string& pattern) : pattern_(pattern) {}

  std::string Run() {
    const Part whole = Alternatives();
    if (!AtEnd() || whole.may_be_empty) throw NotShared();
    return whole.text;
  }

 private:
  struct Part {
    std::string text;
    bool may_be_empty = false;
    bool may_repeat = true;  // false for assertions
  };
  bool AtEnd() const { return at_ >= pattern_.size(); }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  bool Skip(std::string_view text) {
    if (pattern_.compare(at_, text.size(), text) != 0) return false;
    at_ += text.size();
    return true;
  }
  void Expect(std::string_view text) {
    if (!Skip(text)) throw NotShared();
  }

  Part Alternatives() {
    if (++depth_ > kMaxDepth) throw NotShared();
    Part all = Branch();
    while (Skip("|")) {
      const Part branch = Branch();
      all.text += "|" + branch.text;
      all.may_be_empty = all.may_be_empty || branch.may_be_empty;
    }
    --depth_;
    return all;
  }

  Part Branch() {
    Part branch{"", true};
    last_letter_ = '\0';
    while (!AtEnd() && Peek() != '|' && Peek() != ')') {
      Part part = Atom();
      Quantify(&part);
      branch.text += part.text;
      branch.may_be_empty = branch.may_be_empty && part.may_be_empty;
    }
    last_letter_ = '\0';
    return branch;
  }

  Part Atom() {
    const char letter_before = std::exchange(last_letter_, '\0');
    const char c = Peek();
    if (Skip("(")) return Group();
    if (Skip("[")) return Class();
    if (Skip(".")) return {"[^\\n]"};
    if (Skip("^")) return {"(?:\\A|(?<=\\n)(?!\\z))", true, false};
    if (Skip("$")) return {"(?=\\n|\\z)", true, false};
    if (std::string_view("*+?{}]").find(c) != std::string_view::npos) throw NotShared();
    if (c == '\\') return {Escape(/*in_class=*/false)};
    return {Literal(letter_before)};
  }

  Part Group() {
    if (Skip("?:")) return Closed("(?:");
    if (Skip("?>")) return Closed("(?>");
    if (Skip("?=") || Skip("?!")) {
      const std::string open = std::string("(?") + pattern_[at_ - 1];
      return {Closed(open).text, true, false};
    }
    if (Skip("?i:")) {
      const bool outside = std::exchange(ignores_case_, true);
      const Part part = Closed("(?i:");
      ignores_case_ = outside;
      return part;
    }
    if (Peek() == '?' || Peek() == '*') throw NotShared();
    return Closed("(?:");  // nothing refers back to it
  }

  Part Closed(const std::string& open) {
    const Part inside = Alternatives();
    Expect(")");
    return {open + inside.text + ")", inside.may_be_empty};
  }

  int Number() {
    int value = 0;
    if (std::isdigit(static_cast<unsigned char>(Peek())) == 0) throw NotShared();
    while (std::isdigit(static_cast<unsigned char>(Peek())) != 0) {
      value = value * 10 + (pattern_[at_++] - '0');
      if (value > kMaxRepeats) throw NotShared();
    }
    return value;
  }

  static bool IsQuantifier(char c) { return std::string_view("*+?{").find(c) != std::string::npos; }

  void Quantify(Part* part) {
    if (AtEnd() || !IsQuantifier(Peek())) return;
    last_letter_ = '\0';
    if (!part->may_repeat || part->may_be_empty) throw NotShared();
    if (Skip("{")) {
      Interval(part);
    } else {
      const char kind = pattern_[at_++];
      part->text += kind;
      part->may_be_empty = kind != '+';
      if (Peek() == '?' || Peek() == '+') part->text += pattern_[at_++];
    }
    if (!AtEnd() && IsQuantifier(Peek())) throw NotShared();
  }

  // In Ruby's syntax a + behind an interval repeats it, in Perl's it makes it possessive.
  void Interval(Part* part) {
    const size_t begin = at_ - 1;
    const int least = Number();
    if (Skip(",") && Peek() != '}' && Number() < least) throw NotShared();
    Expect("}");
    part->text += pattern_.substr(begin, at_ - begin);
    part->may_be_empty = least == 0;
    if (!Skip("+")) return;
    // With more behind it, PCRE2 may try as many ways as there are to cut the text.
    if (part->may_be_empty || (!AtEnd() && Peek() != '|' && Peek() != ')')) throw NotShared();
    part->text = "(?:" + part->text + ")+";
  }

  // One character that stands for itself. Without regard to case, Oniguruma also takes some single
  // characters for two letters of a pattern (U+FB06 for st), which PCRE2 does not.
  std::string Literal(char letter_before) {
    const base::CodePoint point = base::DecodeUtf8(pattern_, at_);
    at_ += point.length;
    if (ignores_case_) {
      if (point.value >= 0x80) throw NotShared();
      last_letter_ = static_cast<char>(std::tolower(static_cast<int>(point.value)));
      for (const std::string_view pair : {"ss", "ff", "fi", "fl", "st"}) {
        if (letter_before == pair[0] && last_letter_ == pair[1]) throw NotShared();
      }
    }
    return Quoted(point.value);
  }

  static std::string Quoted(uint32_t code_point) {
    if (code_point >= 0x80) return Hex(code_point);
    const char c = static_cast<char>(code_point);
    return IsAsciiPunctuation(c) ? std::string("\\") + c : std::string(1, c);
  }

  // At a backslash. In a class: what goes between its brackets.
  std::string Escape(bool in_class) {
    uint32_t code_point = 0;
    if (EscapedCharacter(&code_point)) {
      if (ignores_case_ && std::isalpha(static_cast<int>(code_point)) != 0) throw NotShared();
      return Quoted(code_point);
    }
    Expect("\\");
    const char kind = Peek();
    ++at_;
    std::string inside;
    if (kind == 's' || kind == 'S') {
      inside = kSpace;
    } else if (kind == 'd' || kind == 'D') {
      inside = "\\p{Nd}" + UnicodeAdditions("Nd");
    } else if (kind == 'p' || kind == 'P') {
      if (ignores_case_) throw NotShared();
      inside = Property();
    } else {
      throw NotShared();
    }
    const bool negated = std::isupper(static_cast<unsigned char>(kind)) != 0;
    if (in_class && negated) throw NotShared();
    return in_class ? inside : (negated ? "[^" : "[") + inside + "]";
  }

  std::string Property() {
    Expect("{");
    const size_t close = pattern_.find('}', at_);
    if (close == std::string::npos) throw NotShared();
    const std::string name = pattern_.substr(at_, close - at_);
    at_ = close + 1;
    if (name == "Han") return "\\p{sc:Han}" + UnicodeAdditions(name);  // not script extensions
    if (std::find(kCategories.begin(), kCategories.end(), name) == kCategories.end()) {
      throw NotShared();
    }
    return "\\p{" + name + "}" + UnicodeAdditions(name);
  }

  // Takes an escape that stands for one character.
  bool EscapedCharacter(uint32_t* code_point) {
    const char kind = Peek(1);
    static constexpr std::string_view kLetters = "tnrfae", kMeanings = "\t\n\r\f\a\x1b";
    const size_t known = kLetters.find(kind);
    if (kind != '\0' && known != std::string_view::npos) {
      *code_point = static_cast<uint32_t>(kMeanings[known]);
      at_ += 2;
      return true;
    }
    if (IsAsciiPunctuation(kind)) {
      *code_point = static_cast<uint32_t>(kind);
      at_ += 2;
      return true;
    }
    if (kind != 'x' && kind != 'u') return false;
    at_ += 2;
    const bool braced = kind == 'x' && Skip("{");
    const size_t wanted = braced ? 8 : (kind == 'x' ? 2 : 4);
    size_t digits = 0;
    *code_point = 0;
    for (; digits < wanted && std::isxdigit(static_cast<unsigned char>(Peek())) != 0; ++digits) {
      const char c = static_cast<char>(std::tolower(static_cast<unsigned char>(pattern_[at_++])));
      *code_point = *code_point * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (braced) Expect("}");
    if (digits == 0 || (!braced && digits != wanted)) throw NotShared();
    if (kind == 'x' && !braced && *code_point >= 0x80)
      throw NotShared();  // a byte, not a character
    if (*code_point > 0x10FFFF || (*code_point >= 0xD800 && *code_point < 0xE000))
      throw NotShared();
    return true;
  }

  // Behind a [.
  Part Class() {
    const bool negated = Skip("^");
    if ((negated && ignores_case_) || Peek() == ']') throw NotShared();
    std::string inside;
    while (Peek() != ']') {
      if (AtEnd() || Peek() == '[' || (Peek() == '&' && Peek(1) == '&')) throw NotShared();
      inside += Member(inside.empty());
    }
    Expect("]");
    return {(negated ? "[^" : "[") + inside + "]"};
  }

  // One character, range or set of a class.
  std::string Member(bool first) {
    uint32_t low = 0, high = 0;
    if (Peek() == '-') {
      if (!first && Peek(1) != ']') throw NotShared();
      ++at_;
      return "\\-";
    }
    if (Peek() == '\\') {
      const size_t begin = at_;
      if (!EscapedCharacter(&low)) {
        at_ = begin;
        const std::string set = Escape(/*in_class=*/true);
        if (Peek() == '-' && Peek(1) != ']') throw NotShared();
        return set;
      }
    } else {
      low = ClassCharacter();
    }
    if (Peek() != '-' || Peek(1) == ']') return Quoted(low);
    ++at_;
    if (Peek() == '\\') {
      if (!EscapedCharacter(&high)) throw NotShared();
    } else if (Peek() == '[' || Peek() == '-') {
      throw NotShared();
    } else {
      high = ClassCharacter();
    }
    if (high < low || Peek() == '-') throw NotShared();
    return Quoted(low) + "-" + Quoted(high);
  }

  uint32_t ClassCharacter() {
    if (AtEnd()) throw NotShared();
    const base::CodePoint point = base::DecodeUtf8(pattern_, at_);
    at_ += point.length;
    if (ignores_case_ && point.value >= 0x80) throw NotShared();
    return point.value;
  }

  const std::string& pattern_;
  size_t at_ = 0;
  int depth_ = 0;
  bool ignores_case_ = false;
  char last_letter_ = '\0';  // a literal just read where case is ignored
};

}  // namespace

std::optional<std::string> SharedPattern(const std::string& pattern) {
  try {
    return Reader(pattern).Run();
  } catch (const NotShared&) {
    return std::nullopt;
  }
}

}  // namespace cohort::policy
