// Binomial coefficients and numbers of permutations in the notations of schools: C(10,3), C_{10}^3,
// {}_{10}C_3, 10C3; P alike, and A for arrangements.

#include <algorithm>

#include "reward/math/parse/characters.h"
#include "reward/math/parse/parser.h"

namespace cohort::reward::math {
namespace {

bool IsWhole(const std::string& text) {
  return !text.empty() && text.size() <= 4 && std::all_of(text.begin(), text.end(), IsDigit);
}

}  // namespace

// \binom{from}{taken}, or from! / (from - taken)!.
NodeId MathParser::Selection(const std::string& letter, NodeId from, NodeId taken) {
  if (letter == "C") return MakeFunction(Function::kBinomial, {from, taken});
  const NodeId rest = Make(NodeKind::kSum, {from, Make(NodeKind::kNegation, {taken})});
  return Make(NodeKind::kQuotient,
              {Make(NodeKind::kFactorial, {from}), Make(NodeKind::kFactorial, {rest})});
}

// C_{10}^3 and C^{10}_3 behind the letter. kNoNode, with nothing consumed, for a power of a name
// with an index: C_1^2.
NodeId MathParser::SelectionBehind(const std::string& letter) {
  if (letter != "C" && letter != "P" && letter != "A") return kNoNode;
  const bool index_first = At(Tok::kUnderscore);
  if (!index_first && !At(Tok::kCaret)) return kNoNode;
  std::string first, second;
  size_t width = 0, rest = 0;
  if (!ShortIndex(1, &first, &width)) return kNoNode;
  if (Next(1 + width).kind != (index_first ? Tok::kCaret : Tok::kUnderscore)) return kNoNode;
  if (!ShortIndex(2 + width, &second, &rest)) return kNoNode;
  std::string from = index_first ? first : second;  // below, unless the larger stands above
  std::string taken = index_first ? second : first;
  constexpr int kSmallest = 3;
  if (IsWhole(from) && IsWhole(taken)) {
    if (std::stoi(from) < std::stoi(taken) && std::stoi(from) > 1) std::swap(from, taken);
    if (std::stoi(from) < kSmallest || std::stoi(from) < std::stoi(taken)) return kNoNode;
  } else if (from != "n" && from != "m" && from != "N") {
    return kNoNode;
  }
  at_ += 2 + width + rest;
  const auto node = [&](const std::string& text) {
    return IsWhole(text) ? arena_.MakeNumber(text) : arena_.MakeText(NodeKind::kSymbol, text);
  };
  return Selection(letter, node(from), node(taken));
}

// C(10,3) and P(n,2); kNoNode, with nothing consumed, for what may be a point.
NodeId MathParser::SelectionCall(const std::string& letter) {
  if (letter == "A" || !At(Tok::kOpen)) return kNoNode;
  std::string from, taken;
  size_t first = 0, second = 0;
  if (!ShortIndex(1, &from, &first) || Next(1 + first).kind != Tok::kComma ||
      !ShortIndex(2 + first, &taken, &second) || Next(2 + first + second).kind != Tok::kClose) {
    return kNoNode;
  }
  const bool numbers = IsWhole(from) && IsWhole(taken) && std::stoi(from) >= std::stoi(taken);
  const bool letters = from == "n" && (IsWhole(taken) || taken == "k" || taken == "r");
  if (!numbers && !letters) return kNoNode;
  at_ += 3 + first + second;
  const auto node = [&](const std::string& text) {
    return IsWhole(text) ? arena_.MakeNumber(text) : arena_.MakeText(NodeKind::kSymbol, text);
  };
  return Selection(letter, node(from), node(taken));
}

// _{10}C_3 and ^{10}C_3, from the index before the letter on.
NodeId MathParser::SelectionBetween() {
  ++at_;
  const NodeId from = Argument();
  const bool group = Accept(Tok::kOpenGroup);
  const bool letter = (At(Tok::kLetters) || At(Tok::kText) || At(Tok::kName)) &&
                      (Next().text == "C" || Next().text == "P" || Next().text == "A");
  if (from == kNoNode || !letter) return kNoNode;
  const std::string name = Next().text;
  ++at_;
  if ((group && !Accept(Tok::kCloseGroup)) || !Accept(Tok::kUnderscore)) return kNoNode;
  const NodeId taken = Argument();
  return taken == kNoNode ? kNoNode : Selection(name, from, taken);
}

}  // namespace cohort::reward::math
