// Groups, tuples, intervals, sets, bars and matrices.

#include "reward/math/algebra/limits.h"
#include "reward/math/parse/parser.h"

namespace cohort::reward::math {

NodeId MathParser::Bracket() {
  switch (Next().kind) {
    case Tok::kOpenGroup:
      return Group();
    case Tok::kOpenSet:
      return SetBraces();
    case Tok::kBar:
      return Bars();
    case Tok::kOpenFloor:
      return Enclosed(Tok::kCloseFloor, Function::kFloor);
    case Tok::kOpenCeiling:
      return Enclosed(Tok::kCloseCeiling, Function::kCeiling);
    case Tok::kBegin:
      return Matrix();
    case Tok::kOpen:
    case Tok::kOpenSquare:
    case Tok::kCloseSquare:
    case Tok::kOpenAngle:
      break;
    default:
      return kNoNode;
  }
  const Tok open = Next().kind;
  ++at_;
  const int bars = open_bars_;
  const int sets = open_sets_;
  const std::string currency = currency_;
  open_bars_ = open_sets_ = 0;
  std::vector<NodeId> items;
  if (!Items({Tok::kClose, Tok::kCloseSquare, Tok::kOpenSquare, Tok::kCloseAngle}, &items)) {
    return kNoNode;
  }
  const Tok close = Next().kind;
  ++at_;
  open_bars_ = bars;
  open_sets_ = sets;
  currency_ = currency;
  const bool matching = (open == Tok::kOpen && close == Tok::kClose) ||
                        (open == Tok::kOpenSquare && close == Tok::kCloseSquare) ||
                        (open == Tok::kOpenAngle && close == Tok::kCloseAngle);
  const bool joined = tokens_[at_ - 2].kind == Tok::kComma;
  if (items.size() == 1 && !joined) return matching ? items[0] : kNoNode;
  if (open == Tok::kOpenAngle && close == Tok::kCloseAngle) {
    return arena_.Make(NodeKind::kTuple, items, 1);
  }
  const bool angle = open == Tok::kOpenAngle || close == Tok::kCloseAngle;
  if (items.size() != 2) return matching ? arena_.Make(NodeKind::kTuple, items) : kNoNode;
  if (angle) return kNoNode;
  if (open == Tok::kOpen && close == Tok::kClose) return arena_.Make(NodeKind::kTuple, items);
  const uint8_t closed = (open == Tok::kOpenSquare ? 1 : 0) | (close == Tok::kCloseSquare ? 2 : 0);
  return arena_.Make(NodeKind::kInterval, items, closed);
}

// TeX's group; one with commas in it is a set whose braces were not escaped.
NodeId MathParser::Group() {
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  ++at_;
  const int bars = open_bars_;
  const int sets = open_sets_;
  open_bars_ = open_sets_ = 0;
  std::vector<NodeId> items;
  if (!Items({Tok::kCloseGroup}, &items)) return kNoNode;
  ++at_;
  open_bars_ = bars;
  open_sets_ = sets;
  return items.size() == 1 ? items[0] : arena_.Make(NodeKind::kSet, items);
}

NodeId MathParser::SetBraces() {
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  ++at_;
  if (Accept(Tok::kCloseSet)) return Make(NodeKind::kEmptySet, {});
  const int bars = open_bars_;
  open_bars_ = 0;
  ++open_sets_;
  std::vector<NodeId> items;
  if (!Items({Tok::kCloseSet, Tok::kMid, Tok::kBar, Tok::kColon}, &items)) return kNoNode;
  --open_sets_;
  open_bars_ = bars;
  if (Accept(Tok::kCloseSet)) return arena_.Make(NodeKind::kSet, items);
  ++at_;
  return SetBuilder(std::move(items));
}

NodeId MathParser::SetBuilder(std::vector<NodeId> elements) {
  if (elements.size() != 1) return kNoNode;
  const int sets = open_sets_;
  open_sets_ = 0;
  const NodeId conditions = ListUntil({Tok::kCloseSet});
  open_sets_ = sets;
  if (!Accept(Tok::kCloseSet)) return kNoNode;
  return Make(NodeKind::kSetBuilder, {elements[0], conditions});
}

NodeId MathParser::Bars() {
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  ++at_;
  ++open_bars_;
  const NodeId inner = Sum();
  --open_bars_;
  if (inner == kNoNode || !Accept(Tok::kBar)) return kNoNode;
  const bool matrix = arena_.Is(inner, NodeKind::kMatrix);
  return MakeFunction(matrix ? Function::kDeterminant : Function::kAbs, {inner});
}

NodeId MathParser::Enclosed(Tok close, Function f) {
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  ++at_;
  const NodeId inner = Sum();
  return Accept(close) ? MakeFunction(f, {inner}) : kNoNode;
}

NodeId MathParser::Matrix() {
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  const std::string environment = Next().text;
  ++at_;
  if (environment == "array" && Accept(Tok::kOpenGroup)) {
    while (!At(Tok::kCloseGroup) && !At(Tok::kEnd)) ++at_;
    ++at_;
  } else if (environment == "cases") {
    return Cases();
  } else if (!environment.ends_with("matrix")) {
    return kNoNode;
  }
  std::vector<NodeId> entries;
  size_t columns = 0;
  size_t row = 0;
  while (!At(Tok::kEnd) && entries.size() < kMaxListItems) {
    if (At(Tok::kEndEnvironment) && row == 0) break;  // behind the last "\\"
    const NodeId entry = Sum();
    if (entry == kNoNode) return kNoNode;
    entries.push_back(entry);
    ++row;
    if (Accept(Tok::kAmpersand)) continue;
    if (columns == 0) columns = row;
    if (row != columns) return kNoNode;
    row = 0;
    if (!Accept(Tok::kNewRow)) break;
  }
  if (!At(Tok::kEndEnvironment) || Next().text != environment || entries.empty() || columns > 100) {
    return kNoNode;
  }
  ++at_;
  const NodeId matrix = arena_.Make(NodeKind::kMatrix, entries, static_cast<uint8_t>(columns));
  if (environment == "vmatrix") return MakeFunction(Function::kDeterminant, {matrix});
  return matrix;
}

// Rows of a value and its condition are a list of pairs, in the order of their conditions or not;
// other rows are the equations of one system.
NodeId MathParser::Cases() {
  std::vector<NodeId> rows;
  while (!At(Tok::kEndEnvironment) && rows.size() < kMaxListItems) {
    std::vector<NodeId> row;
    do {
      for (const std::string_view word : {"if", "when", "for", "if ", "当"}) {
        if (At(Tok::kText) && Next().text == word && !row.empty()) ++at_;
      }
      const NodeId item = Item();
      if (item == kNoNode) return kNoNode;
      row.push_back(item);
      while (Accept(Tok::kComma) || Accept(Tok::kSemicolon) || Accept(Tok::kAmpersand)) {
      }
    } while (!At(Tok::kNewRow) && !At(Tok::kEndEnvironment) && row.size() < kMaxListItems);
    while (Accept(Tok::kNewRow)) {
    }
    const auto is = [&](size_t i, NodeKind kind) { return arena_.Is(row[i], kind); };
    const bool piece =
        row.size() == 2 && !is(0, NodeKind::kRelation) &&
        (is(1, NodeKind::kRelation) || is(1, NodeKind::kMember) || is(1, NodeKind::kText));
    if (piece) {
      rows.push_back(arena_.Make(NodeKind::kTuple, row));
    } else {
      rows.insert(rows.end(), row.begin(), row.end());
    }
  }
  if (rows.empty() || Next().text != "cases" || !Accept(Tok::kEndEnvironment)) return kNoNode;
  return rows.size() == 1 ? rows[0] : arena_.Make(NodeKind::kList, rows);
}

}  // namespace cohort::reward::math
