#include "reward/math/parse/lexer.h"

#include <algorithm>

#include "reward/math/algebra/expression.h"
#include "reward/math/algebra/limits.h"
#include "reward/math/parse/characters.h"
#include "reward/math/parse/macro_table.h"
#include "reward/math/parse/number_shape.h"
#include "reward/math/parse/plain_text.h"
#include "reward/math/parse/unicode_math.h"
#include "reward/math/parse/units.h"
#include "reward/text/answer_text.h"

namespace cohort::reward::math {
namespace {

// Whether a \text{...} holds mathematics ("42", "(C)", "e") and not words.
bool IsFormula(std::string_view content) {
  size_t run = 0;
  for (const char c : content) {
    run = IsLetter(c) ? run + 1 : 0;
    if (run > 1 || c == '\\' || static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

// Whether a macro other than layout and fonts stands in the text, or a power or an index.
bool HoldsMathematics(std::string_view content) {
  for (size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '^' || content[i] == '_' || content[i] == '$') return true;
    if (content[i] != '\\') continue;
    size_t end = i + 1;
    while (end < content.size() && IsLetter(content[end])) ++end;
    const auto meaning = MacroMeaning(content.substr(i + 1, end - i - 1));
    const bool symbol =
        content.substr(i + 1).starts_with('{') || content.substr(i).starts_with("\\%");
    if (symbol || (meaning && meaning->kind != Tok::kDrop && meaning->kind != Tok::kFont))
      return true;
    i = std::max(end - 1, i + 1);
  }
  return false;
}

// "m s^{-1}", "kg\\cdot m^2": units with powers, which an upright font behind a value can only
// mean.
bool IsUnitExpression(std::string_view content) {
  if (content.find('^') == std::string_view::npos) return false;
  for (size_t i = 0; i < content.size();) {
    size_t end = i;
    while (end < content.size() && IsLetter(content[end])) ++end;
    const std::string_view word = content.substr(i, end - i);
    const bool macro = !word.empty() && i > 0 && content[i - 1] == '\\';
    const bool letter =
        word.size() == 1 && std::string_view("mgshLNJWVKCFA").find(word) != word.npos;
    if (macro ? word != "cdot" : !word.empty() && !letter && !IsKnownUnit(word)) return false;
    if (word.empty() &&
        std::string_view(" ^{}-123/\\,.").find(content[i]) == std::string_view::npos) {
      return false;
    }
    i = std::max(end, i + 1);
  }
  return true;
}

bool IsDegreeSign(std::string_view content) {
  for (const std::string_view sign :
       {"\\circ", "^\\circ", "^{\\circ}", "{}^\\circ", "\\degree", "\\textdegree"}) {
    if (content == sign) return true;
  }
  return false;
}

class MathLexer {
 public:
  MathLexer(std::string_view text, const LexerOptions& options, std::vector<MathToken>* tokens,
            int depth)
      : text_(text), options_(options), tokens_(*tokens), depth_(depth) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == '$') {
        odd_dollars_ = !odd_dollars_;
      }
    }
  }

  bool Run() {
    while (i_ < text_.size()) {
      if (tokens_.size() >= kMaxTokens) return false;
      Step();
      if (too_long_) return false;
    }
    return true;
  }

 private:
  char Peek(size_t ahead = 0) const { return i_ + ahead < text_.size() ? text_[i_ + ahead] : '\0'; }

  void Push(Tok kind, size_t width = 0, uint8_t id = 0, std::string_view text = {}) {
    tokens_.push_back({kind, id, space_, false, std::string(text)});
    space_ = false;
    i_ += width;
  }

  void Step() {
    const char c = text_[i_];
    if (IsSpace(c) || c == '~') {
      space_ = true;
      ++i_;
    } else if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
      Number();
    } else if (IsLetter(c)) {
      Letters();
    } else if (c == '\\') {
      Macro();
    } else {
      Symbol(c);
    }
  }

  void Number() {
    const bool in_run = i_ > 1 && text_[i_ - 1] == ',' && IsDigit(text_[i_ - 2]);
    const bool thousands = options_.comma_thousands && brackets_ == 0 && !in_run;
    const NumberShape number = ReadNumber(text_.substr(i_), thousands);
    Push(Tok::kNumber, number.width, 0, number.plain);
    tokens_.back().grouped = number.grouped;
  }

  void Letters() {
    size_t end = i_;
    while (end < text_.size() && IsLetter(text_[end])) ++end;
    const std::string_view run = text_.substr(i_, end - i_);
    if (const auto meaning = WordMeaning(run)) {
      Push(meaning->kind, run.size(), meaning->id, meaning->text);
      return;
    }
    if (IsTimesSign(run)) return Push(Tok::kTimes, 1);
    if (const auto currency = CurrencyCode(run); !currency.empty()) {
      Push(Tok::kCurrency, run.size(), 0, currency);
      if (Peek() == '.') ++i_;  // "Rs."
      if (text_.substr(i_).starts_with("\\$")) i_ += 2;
      return;
    }
    for (const std::string_view name : {"sin", "cos", "tan", "ln", "log"}) {
      if (run.size() != name.size() + 1 || !run.starts_with(name)) continue;
      Push(Tok::kFunction, name.size(), WordMeaning(name)->id);
      break;
    }
    const std::string_view rest = text_.substr(i_, end - i_);
    Push(Tok::kLetters, rest.size(), 0, rest);
  }

  // The x of "1.5 x 10^3": between numbers it can be no factor.
  bool IsTimesSign(std::string_view run) const {
    const bool behind_number = !tokens_.empty() && tokens_.back().kind == Tok::kNumber;
    if ((run != "x" && run != "X") || !behind_number) return false;
    const std::string_view rest = Trim(text_.substr(i_ + 1));
    return !rest.empty() && IsDigit(rest[0]);
  }

  // The unit of a currency's code in front of the whole amount: "USD 25", "US$25".
  std::string_view CurrencyCode(std::string_view run) const {
    static constexpr std::pair<std::string_view, std::string_view> kCodes[] = {
        {"USD", "dollar"}, {"US", "dollar"}, {"Rs", "rupee"}, {"INR", "rupee"},
        {"EUR", "euro"},   {"GBP", "pound"}, {"RMB", "yuan"}, {"CNY", "yuan"}};
    std::string_view rest = Trim(text_.substr(i_ + run.size()));
    if (rest.starts_with('.')) rest = Trim(rest.substr(1));
    const bool amount = !rest.empty() && (IsDigit(rest[0]) || (run == "US" && rest[0] == '\\'));
    if (!tokens_.empty() || !amount) return {};
    for (const auto& [code, unit] : kCodes) {
      if (run == code) return unit;
    }
    return {};
  }

  void Macro() {
    size_t end = i_ + 1;
    while (end < text_.size() && IsLetter(text_[end])) ++end;
    if (end == i_ + 1) return EscapedSymbol();
    const std::string_view name = text_.substr(i_ + 1, end - i_ - 1);
    i_ = end;
    if (name == "ang") {  // degrees of siunitx
      const std::string_view content = Trim(Argument());
      MathLexer inner(content, options_, &tokens_, depth_ + 1);
      too_long_ |= depth_ > 4 || !inner.Run();
      return Push(Tok::kDegree);
    }
    if (name == "mathbb" || name == "mathds") {
      const std::string_view content = Trim(Argument());
      const bool known =
          content.size() == 1 && std::string_view("RZNQC").find(content) != content.npos;
      return Push(known ? Tok::kNumberSet : Tok::kUnknown, 0, 0, content);
    }
    const auto meaning = MacroMeaning(name);
    if (!meaning.has_value() && name.starts_with("quad")) {  // "\\quadx" for "\\quad x"
      i_ -= name.size() - 4;
      return Layout("quad");
    }
    if (!meaning.has_value()) return Push(Tok::kUnknown, 0, 0, name);
    switch (meaning->kind) {
      case Tok::kDrop:
        return Layout(name);
      case Tok::kFont:
        return Font(name);
      case Tok::kBegin:
      case Tok::kEndEnvironment:
        environments_ += meaning->kind == Tok::kBegin ? 1 : -1;
        return Push(meaning->kind, 0, 0, Trim(Argument()));
      default:
        Push(meaning->kind, 0, meaning->id, meaning->text);
        CountBracket(meaning->kind);
    }
  }

  void Layout(std::string_view name) {
    space_ |= name.ends_with("quad") || name == "space";
    if (name == "hspace" || name == "phantom" || name.ends_with("color")) Argument();
    const bool delimiter = name == "left" || name == "right" || name == "middle";
    if (delimiter && Peek() == '.') ++i_;
  }

  // The braced argument at i_, or the one character there; moves behind it.
  std::string_view Argument() {
    while (IsSpace(Peek())) ++i_;
    if (Peek() != '{') {
      const size_t width = i_ < text_.size() ? 1 : 0;
      i_ += width;
      return text_.substr(i_ - width, width);
    }
    int open = 0;
    for (size_t end = i_; end < text_.size(); ++end) {
      if (text_[end] == '\\') {
        ++end;
      } else if (text_[end] == '{') {
        ++open;
      } else if (text_[end] == '}' && --open == 0) {
        const std::string_view content = text_.substr(i_ + 1, end - i_ - 1);
        i_ = end + 1;
        return content;
      }
    }
    const std::string_view rest = text_.substr(i_ + 1);
    i_ = text_.size();
    return rest;
  }

  void Font(std::string_view name) {
    const std::string_view content = Argument();
    std::string_view trimmed = Trim(content);
    while (trimmed.starts_with('~')) trimmed = Trim(trimmed.substr(1));  // \\mathrm{~m}
    space_ |= !content.empty() && (IsSpace(content.front()) || content.front() == '~');
    if (trimmed.empty()) return;
    if (trimmed == "\\imath" || trimmed == "\\jmath")
      return Push(Tok::kName, 0, 0, trimmed.substr(1, 1));
    if (IsDegreeSign(trimmed)) return Push(Tok::kDegree);
    const bool temperature = trimmed.size() > 1 && (trimmed.back() == 'C' || trimmed.back() == 'F');
    if (temperature && IsDegreeSign(Trim(trimmed.substr(0, trimmed.size() - 1)))) {
      Push(Tok::kDegree);
      return Push(Tok::kText, 0, 0, trimmed.substr(trimmed.size() - 1));
    }
    const bool micro = tokens_.size() > 1 && tokens_.back().text == "mu" && trimmed.size() == 1 &&
                       std::string_view("msgAL").find(trimmed) != std::string_view::npos;
    if (micro) {  // \\mu\\text{m}
      tokens_.pop_back();
      return Push(Tok::kText, 0, 0, "u" + std::string(trimmed));
    }
    if (IsNumberSet(name, trimmed)) return Push(Tok::kNumberSet, 0, 0, trimmed);
    const bool arrow = name == "overrightarrow" || name == "vec";
    if (arrow && trimmed.size() > 1 && std::all_of(trimmed.begin(), trimmed.end(), IsLetter)) {
      return Push(Tok::kName, 0, 0, trimmed);
    }
    const bool vector = name == "vec" || name == "hat" || name == "mathbf" ||
                        name == "boldsymbol" || name == "bm" || name == "overrightarrow";
    if (vector && trimmed.size() == 1 && IsLetter(trimmed[0])) {
      return Push(Tok::kName, 0, 0, trimmed);  // never e or i
    }
    if (const auto meaning = WordMeaning(trimmed); meaning && trimmed.size() > 1) {
      return Push(meaning->kind, 0, meaning->id, meaning->text);
    }
    const bool part = trimmed == "Re" || trimmed == "Im";
    if (name == "operatorname" || name == "mathrm" || part) {
      if (const auto meaning = MacroMeaning(trimmed); meaning && meaning->kind == Tok::kFunction) {
        return Push(meaning->kind, 0, meaning->id);
      }
    }
    if (trimmed == "\\$" || trimmed == "$") return Push(Tok::kCurrency);
    if (trimmed == "," || trimmed == ", and" || trimmed == ", or") return Push(Tok::kComma);
    // "\\text{7 cm}" is a number with a unit.
    const bool money = trimmed.starts_with("\\$") && IsFormula(trimmed.substr(2));
    const bool quantity = IsDigit(trimmed[0]) && trimmed.find(' ') != std::string_view::npos &&
                          trimmed.find('\\') == std::string_view::npos;
    const bool letter_unit = IsLetterUnit(name, trimmed);
    const bool mathematics = HoldsMathematics(trimmed) && !letter_unit;
    if (trimmed.starts_with("\\mu ") && Trim(trimmed.substr(4)).size() == 1) {
      return Push(Tok::kText, 0, 0, "u" + std::string(Trim(trimmed.substr(4))));
    }
    if (depth_ > 4 || (!IsFormula(trimmed) && !quantity && !money && !mathematics) || letter_unit) {
      return Push(Tok::kText, 0, 0, Unwrap(trimmed));
    }
    Push(Tok::kOpenGroup);
    MathLexer inner(trimmed, options_, &tokens_, depth_ + 1);
    too_long_ |= !inner.Run();
    Push(Tok::kCloseGroup);
  }

  // A bold R, Z, N, Q or C that is the whole answer or follows "in".
  bool IsNumberSet(std::string_view font, std::string_view content) const {
    if (!font.starts_with("mathbf") && font != "boldsymbol" && font != "bm" && font != "mathrm")
      return false;
    if (content.size() != 1 || std::string_view("RZNQC").find(content) == content.npos)
      return false;
    if (!tokens_.empty())
      return tokens_.back().kind == Tok::kIn || tokens_.back().kind == Tok::kSetMinus;
    return depth_ == 0 && font != "mathrm" && Trim(text_.substr(i_)).empty();
  }

  // The m of "5\\text{ m}" and the m/s of "5\\text{ m/s}".
  bool IsLetterUnit(std::string_view font, std::string_view content) const {
    if (!font.starts_with("text") && font != "mathrm" && font != "mbox" && font != "hbox") {
      return false;
    }
    if (tokens_.empty() || !IsLetter(content[0])) return false;
    const Tok before = tokens_.back().kind;
    const bool joins = (before == Tok::kSlash || before == Tok::kTimes) && tokens_.size() > 1 &&
                       tokens_[tokens_.size() - 2].kind == Tok::kText;
    if (before != Tok::kNumber && before != Tok::kCloseGroup && before != Tok::kPi &&
        before != Tok::kDegree && before != Tok::kText && !joins) {
      return false;
    }
    if (IsUnitExpression(content)) return true;
    return std::all_of(content.begin(), content.end(), [](char c) {
      return std::string_view("mgshLNJWVKCFA/^23 ").find(c) != std::string_view::npos;
    });
  }

  void EscapedSymbol() {
    const char c = Peek(1);
    switch (c) {
      case '\\':
        return NewRow();
      case '{':
        ++brackets_;
        return Push(Tok::kOpenSet, 2);
      case '}':
        --brackets_;
        return Push(Tok::kCloseSet, 2);
      case '%':
        return Push(Tok::kPercent, 2);
      case '$':
        return Push(Tok::kCurrency, 2);
      case '|':
        return Push(Tok::kUnknown, 2, 0, "|");
      case '\0':
        return Push(Tok::kUnknown, 1);
      default:
        break;
    }
    if (std::string_view("!,;:> \n\t()[]\"").find(c) == std::string_view::npos) {
      return Push(Tok::kUnknown, 2);
    }
    space_ |= c != '!';
    i_ += 2;
  }

  // "\\" ends a matrix row; outside of an environment "\\le" is an over-escaped "\le".
  void NewRow() {
    size_t end = i_ + 2;
    while (end < text_.size() && IsLetter(text_[end])) ++end;
    const std::string_view name = text_.substr(i_ + 2, end - i_ - 2);
    if (environments_ == 0 && MacroMeaning(name).has_value()) {
      ++i_;
      return;
    }
    Push(Tok::kNewRow, 2);
    if (Peek() != '[') return;
    const size_t close = text_.substr(0, i_ + 12).find(']', i_);
    const bool length = close != std::string_view::npos && (IsDigit(Peek(1)) || Peek(1) == '-') &&
                        IsLetter(text_[close - 1]);
    if (length) i_ = close + 1;
  }

  void CountBracket(Tok kind) {
    if (kind == Tok::kOpen || kind == Tok::kOpenSquare || kind == Tok::kOpenAngle) ++brackets_;
    if (kind == Tok::kClose || kind == Tok::kCloseSquare || kind == Tok::kCloseAngle) --brackets_;
  }

  void Symbol(char c) {
    struct Spelling {
      std::string_view text;
      Tok kind;
      uint8_t id = 0;
    };
    static constexpr Spelling kSpellings[] = {
        // the longer ones first
        {"...", Tok::kEllipsis},
        {"<=", Tok::kRelation, kLessEqual},
        {">=", Tok::kRelation, kGreaterEqual},
        {"=<", Tok::kRelation, kLessEqual},
        {"!=", Tok::kRelation, kNotEqual},
        {":=", Tok::kRelation, kEqual},
        {"==", Tok::kRelation, kEqual},
        {"->", Tok::kTo},
        {"+-", Tok::kPlusMinus},
        {"+/-", Tok::kPlusMinus},
        {"**", Tok::kCaret},
        {"=", Tok::kRelation, kEqual},
        {"<", Tok::kRelation, kLess},
        {">", Tok::kRelation, kGreater},
        {"+", Tok::kPlus},
        {"-", Tok::kMinus},
        {"*", Tok::kTimes},
        {"/", Tok::kSlash},
        {"^", Tok::kCaret},
        {"_", Tok::kUnderscore},
        {"!", Tok::kBang},
        {"'", Tok::kPrime},
        {"%", Tok::kPercent},
        {",", Tok::kComma},
        {";", Tok::kSemicolon},
        {":", Tok::kColon},
        {"|", Tok::kBar},
        {"(", Tok::kOpen},
        {")", Tok::kClose},
        {"[", Tok::kOpenSquare},
        {"]", Tok::kCloseSquare},
        {"{", Tok::kOpenGroup},
        {"}", Tok::kCloseGroup},
        {"&", Tok::kAmpersand},
    };
    if (c == '"') {
      ++i_;
      return;
    }
    if (c == '$') return Dollar();
    if (c == '{' && Peek(1) == '}' && !tokens_.empty() && IsValueEnd(tokens_.back().kind)) {
      i_ += 2;  // 90{}^\\circ
      return;
    }
    for (const Spelling& spelling : kSpellings) {
      if (!text_.substr(i_).starts_with(spelling.text)) continue;
      Push(spelling.kind, spelling.text.size(), spelling.id);
      return CountBracket(spelling.kind);
    }
    Push(Tok::kUnknown, 1, 0, text_.substr(i_, 1));
  }

  static bool IsValueEnd(Tok kind) {
    return kind == Tok::kNumber || kind == Tok::kLetters || kind == Tok::kClose ||
           kind == Tok::kCloseGroup;
  }

  // Dollars in pairs delimit mathematics; one too many is money.
  void Dollar() {
    size_t next = i_ + 1;
    while (next < text_.size() && text_[next] == ' ') ++next;
    const bool money = odd_dollars_ && next < text_.size() && IsDigit(text_[next]);
    if (money || (odd_dollars_ && next == text_.size())) return Push(Tok::kCurrency, 1);
    space_ = true;
    ++i_;
  }

  std::string_view text_;
  const LexerOptions& options_;
  std::vector<MathToken>& tokens_;
  int depth_;
  size_t i_ = 0;
  int brackets_ = 0;
  int environments_ = 0;
  bool space_ = false;
  bool odd_dollars_ = false;
  bool too_long_ = false;
};

}  // namespace

bool Lex(std::string_view text, const LexerOptions& options, std::vector<MathToken>* tokens) {
  std::string latex;
  if (HasUnicode(text)) {
    latex = UnicodeToLatex(text);
    text = latex;
  }
  if (!MathLexer(text, options, tokens, 0).Run()) return false;
  tokens->push_back({});
  return true;
}

}  // namespace cohort::reward::math
