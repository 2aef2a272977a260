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

// Whether a run of letters is a word rather than a product of variables: "even", not "abc".
bool IsWord(std::string_view run) {
  if (run.size() < 4) return false;
  return std::any_of(run.begin() + 1, run.end(), [](char c) {
    return std::string_view("aeiou").find(Lower(c)) != std::string_view::npos;
  });
}

}  // namespace

NodeId MathParser::Answer() {
  MarkProse();
  const NodeId answer = ListUntil({Tok::kEnd});
  return At(Tok::kEnd) ? answer : kNoNode;
}

// Letters that are words become text; a short word beside a word is one too ("no solution").
void MathParser::MarkProse() {
  const auto is_run = [](const MathToken& t) {
    return t.kind == Tok::kLetters && t.text.size() > 1;
  };
  for (size_t i = 0; i + 1 < tokens_.size(); ++i) {
    MathToken& token = tokens_[i];
    if (token.kind != Tok::kLetters) continue;
    const bool beside = is_run(token) && ((is_run(tokens_[i + 1]) && tokens_[i + 1].space_before) ||
                                          (tokens_[i + 1].kind == Tok::kText));
    const bool behind =
        i > 0 && tokens_[i - 1].kind == Tok::kText && token.space_before && token.text.size() > 1;
    if (IsWord(token.text) || beside || behind) token.kind = Tok::kText;
  }
  // Between words alone, a short run is a word as well: "red, green".
  const auto mathematical = [](const MathToken& t) {
    return t.kind != Tok::kText && t.kind != Tok::kLetters && t.kind != Tok::kComma &&
           t.kind != Tok::kJoin && t.kind != Tok::kEnd;
  };
  if (std::any_of(tokens_.begin(), tokens_.end(), mathematical)) return;
  const bool words = std::any_of(tokens_.begin(), tokens_.end(),
                                 [](const MathToken& t) { return t.kind == Tok::kText; });
  for (MathToken& token : tokens_) {
    if (words && is_run(token)) token.kind = Tok::kText;
  }
}

bool MathParser::AtItemEnd(size_t ahead) const {
  switch (Next(ahead).kind) {
    case Tok::kEnd:
    case Tok::kComma:
    case Tok::kSemicolon:
    case Tok::kJoin:
    case Tok::kRelation:
    case Tok::kNewRow:
    case Tok::kClose:
    case Tok::kCloseSquare:
    case Tok::kCloseGroup:
    case Tok::kCloseSet:
    case Tok::kCloseAngle:
    case Tok::kEndEnvironment:
    case Tok::kAmpersand:
      return true;
    default:
      return false;
  }
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

// "(n \\in" behind an expression
bool MathParser::NoteAhead() const {
  const bool name =
      Next(1).kind == Tok::kName || (Next(1).kind == Tok::kLetters && Next(1).text.size() == 1);
  return at_ > 0 && At(Tok::kOpen) && name && Next(2).kind == Tok::kIn;
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

// Letters behind a number that are a unit and not a product of variables.
bool MathParser::UnitAhead() const {
  const MathToken& token = Next();
  if (at_ == 0) return false;
  if (MinutesAt(0)) return tokens_[at_ - 1].kind == Tok::kNumber && AtItemEnd(1);
  if (token.kind == Tok::kFraction) {
    std::string unit;
    size_t end = at_;
    return UnitFraction(&end, &unit);
  }
  if (token.kind != Tok::kLetters) return false;
  const Tok before = tokens_[at_ - 1].kind;
  const bool degrees = before == Tok::kDegree || (before == Tok::kCloseGroup && at_ > 1 &&
                                                  tokens_[at_ - 2].kind == Tok::kDegree);
  if (degrees) return AtItemEnd(1) && (token.text == "C" || token.text == "F");
  const bool behind_value = before == Tok::kNumber || before == Tok::kCloseGroup ||
                            before == Tok::kPi || before == Tok::kMillion;
  if (!behind_value && !(letters_are_units_ && before == Tok::kClose)) return false;
  if (letters_are_units_) return true;
  const bool speed = token.text == "m" && token.space_before && Next(1).kind == Tok::kSlash &&
                     Next(2).text == "s" && (AtItemEnd(3) || Next(3).kind == Tok::kCaret);
  if (speed) return true;
  if (token.text.size() < 2) return false;
  if (IsKnownUnit(token.text)) return true;
  return token.space_before && token.text.size() >= 3;
}

// \\frac{\\text{km}}{\\text{h}}: the fraction at `end` as "km/h"; moves to its last token.
bool MathParser::UnitFraction(size_t* end, std::string* unit) const {
  std::string parts[2];
  size_t i = *end + 1 - at_;
  for (std::string& part : parts) {
    if (Next(i).kind != Tok::kOpenGroup) return false;
    int open = 0;
    do {
      const MathToken& token = Next(i);
      if (token.kind == Tok::kOpenGroup || token.kind == Tok::kCloseGroup) {
        open += token.kind == Tok::kOpenGroup ? 1 : -1;
      } else if (token.kind == Tok::kText ||
                 (token.kind == Tok::kLetters && (letters_are_units_ || open > 1))) {
        part += (part.empty() ? "" : " ") + token.text;  // \\text{h} is a letter in a group
      } else if (token.kind == Tok::kNumber && part.ends_with('^')) {
        part += token.text;
      } else if (token.kind == Tok::kCaret) {
        part += '^';
      } else if (token.kind != Tok::kTimes) {
        return false;
      }
      ++i;
    } while (open > 0);
    if (part.empty()) return false;
  }
  *unit += (unit->empty() ? "" : " ") + parts[0] + "/" + parts[1];
  *end = i + at_ - 1;
  return true;
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
      size_t close = end + 1;
      while (close - end < 4 && tokens_[close].kind != Tok::kCloseGroup) {
        if (tokens_[close].kind == Tok::kMinus) unit += '-';
        if (tokens_[close].kind == Tok::kNumber) unit += tokens_[close].text;
        ++close;
      }
      if (tokens_[close].kind != Tok::kCloseGroup) return kNoNode;
      end = close;
    }
  }
  if (bare_symbol || !IsUnitText(unit)) return kNoNode;
  at_ = end;
  return Make(NodeKind::kQuantity, {value}, 0, unit);
}

}  // namespace cohort::reward::math
