#include "reward/structured/ecma_pattern.h"

#include <map>

#include "base/error.h"
#include "reward/grader.h"
#include "reward/text/pattern.h"

namespace cohort::reward {
namespace {

// WhiteSpace and LineTerminator of ECMA-262.
constexpr char kSpace[] =
    R"(\t\n\x0B\f\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF})";

[[noreturn]] void Refuse(const std::string& pattern, const std::string& what) {
  throw Error(ErrorCode::kUsage, "pattern " + Quote(pattern) + ": " + what,
              "patterns of a JSON schema are regular expressions of ECMA-262 (JavaScript)");
}

// Names of general categories that PCRE2 knows by their short names only.
const std::map<std::string, std::string>& Categories() {
  static const std::map<std::string, std::string> names = {
      {"Letter", "L"},
      {"Cased_Letter", "L&"},
      {"Uppercase_Letter", "Lu"},
      {"Lowercase_Letter", "Ll"},
      {"Titlecase_Letter", "Lt"},
      {"Modifier_Letter", "Lm"},
      {"Other_Letter", "Lo"},
      {"Mark", "M"},
      {"Combining_Mark", "M"},
      {"Nonspacing_Mark", "Mn"},
      {"Spacing_Mark", "Mc"},
      {"Enclosing_Mark", "Me"},
      {"Number", "N"},
      {"Decimal_Number", "Nd"},
      {"digit", "Nd"},
      {"Letter_Number", "Nl"},
      {"Other_Number", "No"},
      {"Punctuation", "P"},
      {"punct", "P"},
      {"Dash_Punctuation", "Pd"},
      {"Open_Punctuation", "Ps"},
      {"Close_Punctuation", "Pe"},
      {"Connector_Punctuation", "Pc"},
      {"Initial_Punctuation", "Pi"},
      {"Final_Punctuation", "Pf"},
      {"Other_Punctuation", "Po"},
      {"Symbol", "S"},
      {"Math_Symbol", "Sm"},
      {"Currency_Symbol", "Sc"},
      {"Modifier_Symbol", "Sk"},
      {"Other_Symbol", "So"},
      {"Separator", "Z"},
      {"Space_Separator", "Zs"},
      {"Line_Separator", "Zl"},
      {"Paragraph_Separator", "Zp"},
      {"Other", "C"},
      {"Control", "Cc"},
      {"cntrl", "Cc"},
      {"Format", "Cf"},
      {"Surrogate", "Cs"},
      {"Private_Use", "Co"},
      {"Unassigned", "Cn"},
  };
  return names;
}

class Translator {
 public:
  explicit Translator(const std::string& pattern) : in_(pattern) {}

  std::string Translate() {
    while (at_ < in_.size()) {
      const char c = in_[at_++];
      if (c == '\\') {
        Escape(/*in_class=*/false);
      } else if (c == '[') {
        Class();
      } else if (c == '(') {
        Group();
      } else if (c == '$') {
        out_ += "\\z";
      } else if (c == '^') {
        out_ += "\\A";
      } else if (c == '.') {
        out_ += R"([^\n\r\x{2028}\x{2029}])";
      } else if (c == '*' || c == '+' || c == '?' || (c == '{' && IsBraceQuantifier(at_))) {
        Quantifier(c);
      } else {
        out_ += c == '{' ? "\\{" : std::string(1, c);
      }
    }
    return out_;
  }

 private:
  // Whether the text behind a '{' makes it {n}, {n,} or {n,m}.
  bool IsBraceQuantifier(size_t i) const {
    const auto digits = [&] {
      const size_t from = i;
      while (i < in_.size() && in_[i] >= '0' && in_[i] <= '9') ++i;
      return i > from;
    };
    if (!digits()) return false;
    if (i < in_.size() && in_[i] == ',') {
      ++i;
      digits();
    }
    return i < in_.size() && in_[i] == '}';
  }

  // PCRE2 would read a second one as possessive.
  void Quantifier(char c) {
    out_ += c;
    while (c == '{' && !out_.ends_with('}')) out_ += in_[at_++];
    if (in_.compare(at_, 1, "?") == 0) out_ += in_[at_++];
    if (at_ >= in_.size()) return;
    if (in_[at_] == '*' || in_[at_] == '+' || in_[at_] == '?' ||
        (in_[at_] == '{' && IsBraceQuantifier(at_ + 1))) {
      Refuse(in_, "a quantifier behind a quantifier");
    }
  }

  void Group() {
    out_ += '(';
    if (at_ >= in_.size()) return;
    if (in_[at_] == '*') Refuse(in_, "a verb (*...)");
    if (in_[at_] != '?') return;
    const std::string_view rest = std::string_view(in_).substr(at_ + 1);
    for (const char* const known : {":", "=", "!", "<=", "<!"}) {
      if (!rest.starts_with(known)) continue;
      out_ += "?" + std::string(known);
      at_ += 1 + std::string_view(known).size();
      return;
    }
    if (!rest.starts_with("<")) Refuse(in_, "(?" + std::string(rest.substr(0, 1)) + "...)");
    out_ += "?<";
    at_ += 2;
  }

  void Class() {
    out_ += '[';
    const bool negated = at_ < in_.size() && in_[at_] == '^';
    if (negated) {
      out_ += '^';
      ++at_;
    }
    if (at_ < in_.size() && in_[at_] == ']') {  // [] matches nothing, [^] everything
      ++at_;
      out_.resize(out_.size() - (negated ? 2 : 1));
      out_ += negated ? "(?s:.)" : "(?!)";
      return;
    }
    while (at_ < in_.size() && in_[at_] != ']') {
      const char c = in_[at_++];
      if (c == '\\') {
        Escape(/*in_class=*/true);
      } else if (c == '[') {
        out_ += "\\[";  // PCRE2 reads [[:alpha:]] as a class of its own
      } else {
        out_ += c;
      }
    }
    if (at_ >= in_.size()) Refuse(in_, "a class without its ']'");
    ++at_;
    out_ += ']';
  }

  void Escape(bool in_class) {
    if (at_ >= in_.size()) Refuse(in_, "a '\\' at its end");
    const char c = in_[at_++];
    switch (c) {
      case 's':
        out_ += in_class ? kSpace : "[" + std::string(kSpace) + "]";
        return;
      case 'S':
        if (in_class) Refuse(in_, "\\S within a class is not supported");
        out_ += "[^" + std::string(kSpace) + "]";
        return;
      case 'u':
        return CodeUnit();
      case 'p':
      case 'P':
        return Property(c);
      case 'v':
        out_ += "\\x0B";
        return;
      case 'c':
        if (at_ < in_.size() && std::isalpha(static_cast<unsigned char>(in_[at_]))) {
          out_ += "\\x{" + Hex(static_cast<unsigned>(in_[at_++] & 31)) + "}";
          return;
        }
        Refuse(in_, "a \\c without its letter");
      case 'x':
        if (Digits(at_, 2) != 2) Refuse(in_, "a \\x without two digits");
        out_ += "\\x" + in_.substr(at_, 2);
        at_ += 2;
        return;
      case 'b':
        out_ += in_class ? "\\x08" : "\\b";
        return;
      case '0':
        out_ += "\\x00";
        return;
      default:
        break;
    }
    const bool letter = std::isalpha(static_cast<unsigned char>(c));
    if (letter && std::string_view("dDwWtnrfBk").find(c) == std::string_view::npos) {
      Refuse(in_, std::string("\\") + c + " is no escape of it");
    }
    out_ += '\\';
    out_ += c;
  }

  size_t Digits(size_t from, size_t most) const {
    size_t count = 0;
    while (count < most && from + count < in_.size() &&
           std::isxdigit(static_cast<unsigned char>(in_[from + count]))) {
      ++count;
    }
    return count;
  }

  static std::string Hex(unsigned value) {
    char text[16];
    std::snprintf(text, sizeof(text), "%x", value);
    return text;
  }

  // \uXXXX, a pair of surrogates so written, or \u{X...}.
  void CodeUnit() {
    if (at_ < in_.size() && in_[at_] == '{') {
      const size_t count = Digits(at_ + 1, 6);
      if (count == 0 || in_.compare(at_ + 1 + count, 1, "}") != 0)
        Refuse(in_, "a \\u{ of no number");
      out_ += "\\x" + in_.substr(at_, count + 2);
      at_ += count + 2;
      return;
    }
    if (Digits(at_, 4) != 4) Refuse(in_, "a \\u without four digits");
    unsigned value = static_cast<unsigned>(std::stoul(in_.substr(at_, 4), nullptr, 16));
    at_ += 4;
    if (value >= 0xD800 && value < 0xDC00 && in_.compare(at_, 2, "\\u") == 0 &&
        Digits(at_ + 2, 4) == 4) {
      const auto low = static_cast<unsigned>(std::stoul(in_.substr(at_ + 2, 4), nullptr, 16));
      if (low >= 0xDC00 && low < 0xE000) {
        value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
        at_ += 6;
      }
    }
    out_ += "\\x{" + Hex(value) + "}";
  }

  void Property(char mark) {
    const size_t end = in_.find('}', at_);
    if (at_ >= in_.size() || in_[at_] != '{' || end == std::string::npos) {
      Refuse(in_, std::string("a \\") + mark + " without its {name}");
    }
    std::string name = in_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    const size_t equals = name.find('=');
    if (equals != std::string::npos) {
      const std::string kind = name.substr(0, equals);
      name = name.substr(equals + 1);
      if (kind == "Script" || kind == "sc") name = "script:" + name;
      if (kind == "Script_Extensions" || kind == "scx") name = "script_extensions:" + name;
    }
    const auto category = Categories().find(name);
    out_ += std::string("\\") + mark + "{" +
            (category == Categories().end() ? name : category->second) + "}";
  }

  const std::string& in_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string PcreOfEcma(const std::string& pattern) { return Translator(pattern).Translate(); }

base::Regex CompileEcmaPattern(const std::string& pattern) {
  return CompileSearchPattern(PcreOfEcma(pattern), /*unicode_classes=*/false);
}

}  // namespace cohort::reward
