#include "reward/math/parse/formula.h"

#include <vector>

#include "reward/math/algebra/limits.h"
#include "reward/math/parse/parser.h"
#include "reward/text/answer_text.h"

namespace cohort::reward::math {

NodeId ParseFormula(std::string_view text, const LexerOptions& options, Arena* arena) {
  if (text.size() > kMaxAnswerBytes) return kNoNode;
  thread_local std::vector<MathToken> tokens;
  tokens.clear();
  if (!Lex(text, options, &tokens)) return kNoNode;
  for (const MathToken& token : tokens) {
    if (token.kind == Tok::kUnknown) return kNoNode;
  }
  return MathParser(&tokens, arena).Answer();
}

std::string_view BareAnswer(std::string_view text) {
  while (true) {
    text = Trim(text);
    const bool stop = text.size() > 1 &&
                      (text.ends_with('.') || text.ends_with(',') || text.ends_with(';')) &&
                      !text.ends_with("..") && !text.ends_with("\\,") && !text.ends_with("\\;");
    if (stop) {
      text.remove_suffix(1);
    } else if (text.size() > 4 && text.starts_with("**") && text.ends_with("**")) {
      text = text.substr(2, text.size() - 4);
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
