// The parser's upper levels: lists, statements, words and units.

#include <algorithm>
#include <utility>

#include "reward/math/algebra/limits.h"
#include "reward/math/parse/characters.h"
#include "reward/math/parse/parser.h"
#include "reward/math/parse/units.h"

namespace cohort::reward::math {
namespace {

bool Contains(std::initializer_list<Tok> kinds, Tok kind) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

}  // namespace

NodeId MathParser::Answer() {
  MarkProse();
  MarkAngles();
  const NodeId answer = ListUntil({Tok::kEnd});
  return At(Tok::kEnd) ? answer : kNoNode;
}

NodeId MathParser::ListUntil(std::initializer_list<Tok> ends) {
  std::vector<NodeId> items;
  join_ = 0;
  if (!Items(ends, &items)) return kNoNode;
  return items.size() == 1 ? items[0] : arena_.Make(NodeKind::kList, items, join_);
}

// At least one item, up to a token of `ends`, which is not consumed.
bool MathParser::Items(std::initializer_list<Tok> ends, std::vector<NodeId>* items) {
  while (items->size() < kMaxListItems) {
    const NodeId item = Item();
    if (item == kNoNode) return false;
    items->push_back(item);
    if (Contains(ends, Next().kind)) return true;
    bool separated = false;
    for (; At(Tok::kComma) || At(Tok::kSemicolon) || At(Tok::kJoin) || At(Tok::kNewRow); ++at_) {
      if (At(Tok::kJoin)) join_ = Next().id;
      separated = true;
    }
    if (!separated) return false;
    // A trailing comma; a bracket that opens behind it begins another item.
    if (Contains(ends, Next().kind) && !At(Tok::kOpenSquare)) return true;
  }
  return false;
}

NodeId MathParser::Item() {
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  currency_.clear();
  const NodeId words = Words();
  if (words != kNoNode) return words;
  const bool run = At(Tok::kLetters) && Next().text.size() > 1 && AtItemEnd(1);
  return run ? LetterRun() : Statement();
}

// Letters alone: a product that remembers how it was spelled, since "HTH" is none.
NodeId MathParser::LetterRun() {
  const std::string run = Next().text;
  const NodeId statement = Statement();
  if (statement == kNoNode || !arena_.Is(statement, NodeKind::kProduct)) return statement;
  const auto children = arena_.Children(statement);
  const std::vector<NodeId> factors(children.begin(), children.end());
  return arena_.Make(NodeKind::kProduct, factors, 0, run);
}

// Words up to the item's end, numbers among them included ("June 20"); they begin with a word.
NodeId MathParser::Words() {
  if (!At(Tok::kText)) return kNoNode;
  std::string text;
  size_t end = at_;
  bool only_text = true;
  for (; !AtItemEnd(end - at_); ++end) {
    const MathToken& token = tokens_[end];
    only_text &= token.kind == Tok::kText;
    const bool word = token.kind == Tok::kText || token.kind == Tok::kLetters ||
                      token.kind == Tok::kNumber || token.kind == Tok::kName;
    if (!word) return kNoNode;
    text += (text.empty() ? "" : " ") + token.text;
  }
  constexpr size_t kMaxName = 4;  // words that may stand for a quantity: "surface area = 5"
  const size_t count = end - at_;
  at_ = end;
  const NodeId words = arena_.MakeText(NodeKind::kText, text);
  if (!At(Tok::kRelation)) return words;
  return only_text && count <= kMaxName ? Relations(words) : kNoNode;
}

// A statement, perhaps with a note on its parameter behind it: 2n - 1 (n \\in N).
NodeId MathParser::Statement() {
  const NodeId first = Ratio();
  const NodeId statement = first == kNoNode ? kNoNode : Relations(first);
  if (statement == kNoNode || !NoteAhead()) return statement;
  ++at_;
  const NodeId note = Item();
  if (note == kNoNode || !Accept(Tok::kClose)) return kNoNode;
  return Make(NodeKind::kList, {statement, note});
}

NodeId MathParser::Relations(NodeId first) {
  std::vector<NodeId> sides = {first};
  std::string operators;
  while (At(Tok::kRelation)) {
    operators += static_cast<char>(Next().id);
    ++at_;
    const bool words = At(Tok::kText);
    const NodeId side = words ? Words() : Ratio();
    if (side == kNoNode || sides.size() > kMaxListItems) return kNoNode;
    sides.push_back(side);
  }
  NodeId statement = first;
  if (!operators.empty() && operators.back() == kCongruent && IsModulo(sides.back())) {
    const NodeId modulus = arena_.Child(sides.back(), 1);  // x \\equiv 1 \\bmod 4
    sides.back() = arena_.Child(sides.back(), 0);
    return Make(NodeKind::kModulus,
                {arena_.Make(NodeKind::kRelation, sides, 0, operators), modulus});
  }
  if (!operators.empty()) statement = arena_.Make(NodeKind::kRelation, sides, 0, operators);
  if (At(Tok::kIn)) {
    const uint8_t negated = Next().id;
    ++at_;
    const bool letter = (At(Tok::kLetters) || At(Tok::kName)) && Next().text.size() == 1 &&
                        std::string_view("RZNQC").find(Next().text[0]) != std::string_view::npos;
    if (letter) tokens_[at_].kind = Tok::kNumberSet;
    statement = Make(NodeKind::kMember, {statement, Sets()}, negated);
  }
  if (Accept(Tok::kModulus) || (At(Tok::kOpen) && Next(1).kind == Tok::kModulo)) {
    if (At(Tok::kOpen)) {
      at_ += 2;
      statement = Make(NodeKind::kModulus, {statement, Sum()});
      if (!Accept(Tok::kClose)) return kNoNode;
    } else {
      statement = Make(NodeKind::kModulus, {statement, Argument()});
    }
  }
  return statement;
}

NodeId MathParser::Ratio() {
  std::vector<NodeId> parts = {Sets()};
  while (parts.back() != kNoNode && open_sets_ == 0 && Accept(Tok::kColon)) {
    parts.push_back(Sets());
    if (parts.size() > kMaxListItems) return kNoNode;
  }
  return parts.size() == 1 ? parts[0] : arena_.Make(NodeKind::kRatio, parts);
}

NodeId MathParser::Sets() {
  NodeId left = Quantity(Sum());
  while (left != kNoNode) {
    NodeKind kind;
    if (At(Tok::kUnion)) {
      kind = NodeKind::kUnion;
    } else if (At(Tok::kIntersection)) {
      kind = NodeKind::kIntersection;
    } else if (At(Tok::kSetMinus)) {
      kind = NodeKind::kDifference;
    } else {
      return left;
    }
    ++at_;
    left = Make(kind, {left, Sum()});
  }
  return left;
}

// A value with the unit or the currency that stands beside it.
NodeId MathParser::Quantity(NodeId value) {
  if (value == kNoNode) return kNoNode;
  const std::string prefix = std::exchange(currency_, "");
  if (At(Tok::kCurrency)) {
    if (!prefix.empty()) return kNoNode;
    const std::string unit = CurrencyUnit(Next().text);
    ++at_;
    return Make(NodeKind::kQuantity, {value}, 0, unit);
  }
  if (At(Tok::kText) || UnitAhead()) return UnitBehind(value);
  return prefix.empty() ? value : Make(NodeKind::kQuantity, {value}, 0, prefix);
}

// The words up to the item's end, as the value's unit: "cm^2", "m/s", "square units".
NodeId MathParser::UnitBehind(NodeId value) {
  const bool bare_symbol = arena_.Is(value, NodeKind::kSymbol) || arena_.Is(value, NodeKind::kText);
  std::string unit;
  size_t end = at_;
  for (; !AtItemEnd(end - at_); ++end) {
    const MathToken& token = tokens_[end];
    switch (token.kind) {
      case Tok::kText:
      case Tok::kLetters:
        unit += (unit.empty() || unit.ends_with('/') ? "" : " ") + token.text;
        break;
      case Tok::kFunction:
        if (!MinutesAt(end - at_)) return kNoNode;
        unit += unit.empty() ? "min" : " min";
        break;
      case Tok::kFraction:
        if (!UnitFraction(&end, &unit)) return kNoNode;
        continue;
      case Tok::kSlash:
        unit += '/';
        break;
      case Tok::kCaret:
        unit += '^';
        break;
      case Tok::kNumber:
        if (unit.empty() || (unit.back() != '^' && !unit.ends_with("^-"))) return kNoNode;
        unit += token.text;
        break;
      case Tok::kMinus:
        if (!unit.ends_with('^')) return kNoNode;
        unit += '-';
        break;
      case Tok::kOpenGroup:
      case Tok::kTimes:
        break;
      default:
        return kNoNode;
    }
    // A braced exponent closes before the item does.
    if (token.kind == Tok::kOpenGroup) {
      size_t close = end + 1 - at_;
      for (; Next(close).kind != Tok::kCloseGroup; ++close) {
        const MathToken& inner = Next(close);
        if (inner.kind == Tok::kMinus) unit += '-';
        if (inner.kind == Tok::kNumber) unit += inner.text;
        if (at_ + close - end > 3) return kNoNode;
      }
      end = at_ + close;
    }
  }
  if (bare_symbol || !IsUnitText(unit)) return kNoNode;
  at_ = end;
  return Make(NodeKind::kQuantity, {value}, 0, unit);
}

}  // namespace cohort::reward::math
