#include "reward/math/extract/sentence.h"

#include <algorithm>

#include "reward/math/parse/characters.h"
#include "reward/math/parse/choice.h"
#include "reward/math/parse/formula.h"
#include "reward/math/parse/macro_table.h"
#include "reward/math/parse/plain_text.h"
#include "reward/text/answer_text.h"

namespace cohort::reward::math {
namespace {

// The delimiter that closes the one at i, and its width; empty where none opens.
std::string_view Closing(std::string_view text, size_t i, size_t* width) {
  *width = 2;
  if (text.substr(i).starts_with("$$")) return "$$";
  if (text.substr(i).starts_with("\\(")) return "\\)";
  if (text.substr(i).starts_with("\\[")) return "\\]";
  *width = 1;
  return text[i] == '$' ? "$" : "";
}

bool OnlyJoins(std::string_view between) {
  between = Trim(between);
  if (between.size() > 8) return false;
  std::string letters;
  for (const char c : between) {
    if (IsLetter(c)) {
      letters += Lower(c);
    } else if (c != ',' && c != ' ' && c != ';') {
      return false;
    }
  }
  return !between.empty() && (letters.empty() || letters == "and" || letters == "or");
}

bool MacroIsFont(std::string_view name) {
  const auto meaning = MacroMeaning(name);
  return meaning && meaning->kind == Tok::kFont;
}

// Whether a word stands behind a number, as its unit.
bool FollowsNumber(std::string_view text, size_t i) {
  const std::string_view before = Trim(text.substr(0, i));
  return !before.empty() &&
         (IsDigit(before.back()) || before.back() == '}' || before.back() == '$');
}

// "how many $? just about 1$": dollars around prose are money.
bool IsMoney(std::string_view body) {
  return body.find(' ') != std::string_view::npos && body.find('\\') == std::string_view::npos &&
         IsProse(body) && !IsFormulaText(body);
}

bool BareSymbol(std::string_view formula) {
  formula = Trim(formula);
  return formula.size() == 1 && IsLetter(formula[0]);
}

// "1. First" counts and answers nothing.
bool IsEnumeration(std::string_view text, size_t begin, size_t end) {
  if (end >= text.size() || text[end] != '.' || end + 2 >= text.size() || text[end + 1] != ' ' ||
      !IsLetter(text[end + 2])) {
    return false;
  }
  const std::string_view before = text.substr(0, begin);
  const size_t last = before.find_last_not_of(' ');
  return last == std::string_view::npos || before[last] == '\n' || before[last] == ':' ||
         (before[last] == '.' && begin - last > 1);
}

// Moves over mathematical characters outside ASCII that stand before a number, and what they stand
// beside: "√2", "−7", "π/2".
size_t WithSymbolsBefore(std::string_view text, size_t begin) {
  const auto before = [&](std::string_view symbol) {
    return text.substr(0, begin).ends_with(symbol) ? symbol.size() : size_t{0};
  };
  for (int moved = 0; moved < 8; ++moved) {
    size_t width = 0;
    for (const std::string_view symbol : {"−", "√", "π", "±", "×", "·", "∞"}) {
      width = std::max(width, before(symbol));
    }
    if (width == 0) break;
    begin -= width;
    while (begin > 0 && (IsDigit(text[begin - 1]) || text[begin - 1] == '-')) --begin;
  }
  return begin;
}

size_t WithSymbolsBehind(std::string_view text, size_t end) {
  for (int moved = 0; moved < 8; ++moved) {
    size_t width = 0;
    for (const std::string_view symbol : {"\\%", "°", "²", "³", "π", "√", "½", "¼", "¾"}) {
      if (text.substr(end).starts_with(symbol)) width = symbol.size();
    }
    if (width == 0) break;
    end += width;
    while (end < text.size() && (IsDigit(text[end]) || text[end] == '/')) ++end;
  }
  return end;
}

// Whether digits at `begin` are letters' companions: of "AZYUK2A" or "H2O", not of "\frac12" or
// "USD5".
bool EndsWord(std::string_view text, size_t begin) {
  size_t word = begin;
  while (word > 0 && IsLetter(text[word - 1])) --word;
  if (word == begin || (word > 0 && text[word - 1] == '\\')) return false;
  const std::string_view letters = text.substr(word, begin - word);
  for (const std::string_view currency : {"USD", "EUR", "GBP", "INR", "Rs", "rs", "RM"}) {
    if (letters == currency) return false;
  }
  return true;
}

// A word of LaTeX that only joins what is said before to the value behind.
bool IsRelationWord(std::string_view word) {
  for (const std::string_view name :
       {"=", "\\approx", "\\Rightarrow", "\\implies", "\\therefore", "\\to", "\\rightarrow",
        "\\Longrightarrow", "\\iff", "\\quad", "\\qquad", "\\equiv", "\\simeq", "\\sim"}) {
    if (word == name) return true;
  }
  return false;
}

bool IsLatexWord(std::string_view word) {
  return word.find_first_of("\\{}^_") != std::string_view::npos;
}

bool IsOperandWord(std::string_view word) {
  if (word.size() == 1 && IsLetter(word[0])) return true;
  return !word.empty() && word.find_first_not_of("0123456789+-*/=<>()|") == std::string_view::npos;
}

int64_t OpenBraces(std::string_view text) {
  return std::count(text.begin(), text.end(), '{') - std::count(text.begin(), text.end(), '}');
}

// The formula without delimiters that digits at [begin, end) are a part of: "\frac{1}{2}" around
// its 2, "2\sqrt{3}", "\log_{10} 2". Empty for digits that stand alone.
std::string_view BareLatexAround(std::string_view text, size_t begin, size_t end) {
  constexpr int kMaxWords = 40;
  constexpr size_t kReach = 400;  // to either side; longer ones are cut, and then no formula
  const size_t skipped = begin - std::min(begin, kReach);
  text = text.substr(skipped, end + kReach - skipped);
  begin -= skipped;
  end -= skipped;
  while (begin > 0 && !IsSpace(text[begin - 1])) --begin;
  while (end < text.size() && !IsSpace(text[end])) ++end;
  bool latex = IsLatexWord(text.substr(begin, end - begin));
  for (int words = 0; words < kMaxWords; ++words) {
    const size_t line = text.substr(0, begin).find_last_not_of(" \t");
    if (line == std::string_view::npos || text[line] == '\n') break;
    size_t word = line + 1;
    while (word > 0 && !IsSpace(text[word - 1])) --word;
    const std::string_view previous = text.substr(word, line + 1 - word);
    const bool inside = OpenBraces(text.substr(begin, end - begin)) < 0;
    const bool ends = std::string_view(".,;:!?").find(previous.back()) != std::string_view::npos;
    const bool joins = IsLatexWord(previous) || IsOperandWord(previous);
    if (!inside && (ends || !joins || IsRelationWord(previous))) break;
    latex |= IsLatexWord(previous);
    begin = word;
  }
  if (!latex) return {};
  for (int words = 0; words < kMaxWords && OpenBraces(text.substr(begin, end - begin)) > 0;
       ++words) {
    while (end < text.size() && IsSpace(text[end])) ++end;
    while (end < text.size() && !IsSpace(text[end])) ++end;
  }
  std::string_view formula = text.substr(begin, end - begin);
  while (!formula.empty() &&
         std::string_view(".,;:!?*").find(formula.back()) != std::string::npos) {
    formula.remove_suffix(1);
  }
  while (formula.starts_with('*')) formula.remove_prefix(1);
  return formula;
}

// The last number with what belongs to it: sign, fraction, percent, currency; the formula around it
// where it is a part of one.
std::optional<std::string_view> LastNumberRun(std::string_view text) {
  constexpr std::string_view kInside = "0123456789.,/%$:^-*()!";
  while (true) {
    const size_t digit = text.find_last_of("0123456789");
    if (digit == std::string_view::npos) return std::nullopt;
    constexpr size_t kReach = 200;  // longer runs are no number
    size_t begin = digit;
    const size_t first = digit - std::min(digit, kReach);
    while (begin > first && kInside.find(text[begin - 1]) != std::string_view::npos) --begin;
    size_t end = digit + 1;
    const size_t last = std::min(text.size(), digit + kReach);
    while (end < last && kInside.find(text[end]) != std::string_view::npos) ++end;
    if (IsDigit(text[begin]) && EndsWord(text, begin)) {
      text = text.substr(0, begin);
      continue;
    }
    begin = WithSymbolsBefore(text, begin);
    end = WithSymbolsBehind(text, end);
    const std::string_view whole = text.substr(begin, end - begin);
    std::string_view run = whole;
    while (!run.empty() &&
           std::string_view(".,:*/-^!").find(run.back()) != std::string_view::npos) {
      run.remove_suffix(1);
    }
    while (!run.empty() &&
           std::string_view(",:*/^.)!").find(run.front()) != std::string_view::npos &&
           !(run.front() == '.' && run.size() > 1 && IsDigit(run[1]))) {
      run.remove_prefix(1);
    }
    const bool enumeration =
        IsEnumeration(text, begin, begin + whole.find_last_of("0123456789") + 1);
    if (!enumeration) {
      const std::string_view formula = BareLatexAround(text, digit, digit + 1);
      if (!formula.empty()) return formula;
      if (IsFormulaText(run)) return run;
      // "(35" of "(35 + 70": the digits alone
      const size_t stop = run.find_last_of("0123456789");
      size_t start = stop;
      while (start > 0 &&
             (IsDigit(run[start - 1]) || run[start - 1] == '.' || run[start - 1] == ',')) {
        --start;
      }
      const bool part =
          start > 0 && std::string_view("/^:").find(run[start - 1]) != std::string_view::npos;
      const std::string_view digits = run.substr(start, stop - start + 1);
      if (!part && IsFormulaText(digits)) return digits;
    }
    text = text.substr(0, begin);
  }
}

// "5 or 6" and "between 5 and 6" where `number`, a part of `text`, is the 6: they say no number.
std::optional<std::string> Undecided(std::string_view text, std::string_view number) {
  const auto begin = static_cast<size_t>(number.data() - text.data());
  const std::string_view before = Trim(text.substr(0, begin));
  const size_t other = before.find_last_of(' ');
  if (other == std::string_view::npos) return std::nullopt;
  const std::string_view word = before.substr(other + 1);
  const std::string_view rest = Trim(before.substr(0, other));
  const bool behind_number = !rest.empty() && IsDigit(rest.back());
  const size_t first = rest.find_last_of(' ') + 1;
  const bool between = word == "and" && Trim(rest.substr(0, first)).ends_with("etween");
  if (!behind_number || (word != "or" && !between)) return std::nullopt;
  return std::string(between ? "between " : "") + std::string(rest.substr(first)) + " " +
         std::string(word) + " " + std::string(number);
}

// The text behind the last "=", ":" or "is" of a sentence, if it is a formula written without
// delimiters.
std::optional<std::string> BareFormula(std::string_view text) {
  text = Trim(text);
  const size_t line = text.rfind('\n');
  if (line != std::string_view::npos) text = text.substr(line + 1);
  if (text.find('\\') == std::string_view::npos || text.size() > 400) return std::nullopt;
  for (const std::string_view mark : {" = ", "=", " is ", " are ", ": "}) {
    const auto behind = AfterLast(text, mark);
    if (behind && IsFormulaText(*behind)) return std::string(Trim(*behind));
  }
  return std::nullopt;
}

}  // namespace

std::vector<Formula> FormulasIn(std::string_view text) {
  std::vector<Formula> formulas;
  size_t i = 0;
  while (i < text.size()) {
    if (text[i] != '$' && text[i] != '\\') {
      ++i;
      continue;
    }
    size_t width = 0;
    const std::string_view closing = Closing(text, i, &width);
    if (closing.empty()) {
      i += 2;
      continue;
    }
    size_t close = i + width;
    while (close < text.size() && !text.substr(close).starts_with(closing)) {
      close += text[close] == '\\' && closing[0] == '$' ? 2 : 1;
    }
    if (close >= text.size()) {
      // An opening without an end: what follows may still hold others.
      if (closing != "$" && closing != "$$") return formulas;
      i += width;
      continue;
    }
    formulas.push_back({i, close + closing.size(), text.substr(i + width, close - i - width)});
    i = close + closing.size();
    if (formulas.size() > 10'000) formulas.erase(formulas.begin(), formulas.begin() + 5'000);
  }
  return formulas;
}

std::optional<std::string> LastFormulaOrNumber(std::string_view text) {
  const std::vector<Formula> formulas = FormulasIn(text);
  size_t end = text.size();  // of the text that is not searched yet
  std::optional<std::string> symbol;
  for (size_t i = formulas.size(); i-- > 0;) {
    if (IsMoney(formulas[i].body)) continue;
    const std::string_view behind = text.substr(formulas[i].end, end - formulas[i].end);
    if (const auto number = LastNumberRun(behind)) return std::string(*number);
    size_t first = i;
    while (first > 0 && OnlyJoins(text.substr(formulas[first - 1].end,
                                              formulas[first].begin - formulas[first - 1].end))) {
      --first;
    }
    if (first == i && BareSymbol(formulas[i].body)) {
      if (!symbol) symbol = std::string(formulas[i].body);
      end = formulas[i].begin;
      continue;
    }
    std::string formula(formulas[first].body);
    for (size_t j = first + 1; j <= i; ++j) formula += ", " + std::string(formulas[j].body);
    return formula;
  }
  if (end == text.size()) {
    if (auto bare = BareFormula(text)) return bare;
  }
  if (const auto number = LastNumberRun(text.substr(0, end))) {
    return Undecided(text.substr(0, end), *number).value_or(std::string(*number));
  }
  return symbol;
}

bool IsSentence(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    if (text[i] == '\\') {  // a macro; the words of \text{...} are part of the formula
      size_t end = i + 1;
      while (end < text.size() && IsLetter(text[end])) ++end;
      if (text.substr(end).starts_with("{") && MacroIsFont(text.substr(i + 1, end - i - 1))) {
        end = std::min(text.find('}', end), text.size());
      }
      i = std::max(end, i + 2);
      continue;
    }
    size_t end = i;
    while (end < text.size() && IsLetter(text[end])) ++end;
    const bool apart = (i == 0 || IsSpace(text[i - 1])) &&
                       (end == text.size() || IsSpace(text[end]) || text[end] == ',');
    if (apart && end - i >= 2 && !WordMeaning(text.substr(i, end - i)) && i + end > 0 &&
        (end < text.size() || i > 0) && !FollowsNumber(text, i)) {
      return true;
    }
    i = std::max(end, i + 1);
  }
  return false;
}

std::optional<std::string> LastOption(std::string_view text) {
  for (size_t i = text.size(); i-- > 0;) {
    if (text[i] < 'A' || text[i] > 'J' || text[i] == 'I') continue;
    const bool before = i == 0 || (!IsLetter(text[i - 1]) && !IsDigit(text[i - 1]));
    const bool after = i + 1 == text.size() || (!IsLetter(text[i + 1]) && text[i + 1] != '\'');
    const bool article =
        text[i] == 'A' && i + 2 < text.size() && text[i + 1] == ' ' && IsLetter(text[i + 2]);
    const bool denied = before && after && DeniesOption(text.substr(0, i), text.substr(i + 1));
    if (before && after && !article && !denied) return std::string(1, text[i]);
  }
  return std::nullopt;
}

}  // namespace cohort::reward::math
