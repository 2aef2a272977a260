#include "reward/math/parse/formula.h"

#include <algorithm>
#include <array>
#include <vector>

#include "reward/math/algebra/limits.h"
#include "reward/math/parse/characters.h"
#include "reward/math/parse/parser.h"
#include "reward/text/answer_text.h"

namespace cohort::reward::math {
namespace {

// Fonts in which mathematics is set as well as those that words are set in.
constexpr std::array<std::string_view, 10> kMathFonts = {
    "mathbf", "boldsymbol", "bm",         "pmb",       "mathit",
    "mathsf", "mathtt",     "mathnormal", "underline", "uline"};
constexpr std::array<std::string_view, 12> kTextFonts = {
    "mathrm", "textbf", "textit", "textrm", "textsf", "texttt",
    "emph",   "text",   "textup", "mbox",   "hbox",   "textnormal"};

// Where the brace that opens at `open` closes; npos where it does not.
size_t ClosingBrace(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

// The mathematics inside a font or an underline that is set around all of the text; the text where
// there is none. Words and single letters keep their font: \mathbf{R} is more than R.
std::string_view InsideFont(std::string_view text) {
  if (text.size() < 5 || text[0] != '\\' || !text.ends_with('}')) return text;
  const size_t brace = text.find('{');
  const std::string_view name = Trim(text.substr(1, brace - 1));
  const auto is_name = [&](std::string_view font) { return font == name; };
  const bool math = std::any_of(kMathFonts.begin(), kMathFonts.end(), is_name);
  const bool words = std::any_of(kTextFonts.begin(), kTextFonts.end(), is_name);
  if ((!math && !words) || ClosingBrace(text, brace) != text.size() - 1) return text;
  const std::string_view content = Trim(text.substr(brace + 1, text.size() - brace - 2));
  if (math) return content.size() > 1 ? content : text;
  const bool digits = std::any_of(content.begin(), content.end(), IsDigit);
  const bool list = digits && content.find(',') != std::string_view::npos;
  return list || content.find_first_of("\\^_=$") != std::string_view::npos ? content : text;
}

}  // namespace

NodeId ParseFormula(std::string_view text, const LexerOptions& options, Arena* arena) {
  if (text.size() > kMaxAnswerBytes) return kNoNode;
  thread_local std::vector<MathToken> tokens;
  tokens.clear();
  if (!Lex(text, options, &tokens)) return kNoNode;
  for (const MathToken& token : tokens) {
    if (token.kind == Tok::kUnknown) return kNoNode;
  }
  return MathParser(&tokens, options.letters_are_units, arena).Answer();
}

std::string_view BareAnswer(std::string_view text) {
  constexpr int kMaxFonts = 4;  // each costs a pass over the text
  int fonts = 0;
  while (true) {
    text = Trim(text);
    for (const std::string_view mark : {"。", "！", "；", "．"}) {
      if (text.size() > mark.size() && text.ends_with(mark)) {
        text = Trim(text.substr(0, text.size() - mark.size()));
      }
    }
    const bool stop = text.size() > 1 &&
                      (text.ends_with('.') || text.ends_with(',') || text.ends_with(';')) &&
                      !text.ends_with("..") && !text.ends_with("\\,") && !text.ends_with("\\;");
    if (stop) {
      text.remove_suffix(1);
    } else if (text.size() > 4 && text.starts_with("**") && text.ends_with("**")) {
      text = text.substr(2, text.size() - 4);
    } else if (text.size() > 4 && text.starts_with("__") && text.ends_with("__")) {
      text = text.substr(2, text.size() - 4);
    } else if (text.size() > 2 && text[0] == '`' && text.back() == '`') {
      text = text.substr(1, text.size() - 2);
    } else if (const std::string_view inside = fonts < kMaxFonts ? InsideFont(text) : text;
               inside.size() < text.size()) {
      text = inside;
      ++fonts;
    } else if (text.size() > 2 && text[0] == '$' && text.back() == '$' &&
               text[text.size() - 2] != '\\' &&
               text.substr(1, text.size() - 2).find('$') == std::string_view::npos) {
      text = text.substr(1, text.size() - 2);
    } else {
      return text;
    }
  }
}

bool IsFormulaText(std::string_view text) {
  thread_local Arena arena;
  arena.Clear();
  const NodeId parsed = ParseFormula(BareAnswer(text), {}, &arena);
  return parsed != kNoNode && !arena.Is(parsed, NodeKind::kText);
}

}  // namespace cohort::reward::math
