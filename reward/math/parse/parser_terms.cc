// Sums, products, signs, exponents and what stands behind a value.

#include <algorithm>

#include "reward/math/algebra/limits.h"
#include "reward/math/parse/parser.h"

namespace cohort::reward::math {

NodeId MathParser::Sum() {
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  std::vector<NodeId> terms;
  bool first = true;
  while (true) {
    Tok sign = Tok::kEnd;
    uint8_t id = 0;
    if (At(Tok::kPlus) || At(Tok::kMinus) || At(Tok::kPlusMinus)) {
      sign = Next().kind;
      id = Next().id;
      ++at_;
    } else if (!first) {
      break;
    }
    NodeId term = Product();
    if (sign == Tok::kMinus && first && term != kNoNode && IsModulo(term)) {
      const NodeId divisor = arena_.Child(term, 1);  // -7 mod 3 is (-7) mod 3
      term = MakeFunction(Function::kModulo,
                          {Make(NodeKind::kNegation, {arena_.Child(term, 0)}), divisor});
    } else if (sign == Tok::kMinus) {
      term = Make(NodeKind::kNegation, {term});
    }
    if (sign == Tok::kPlusMinus) term = Make(NodeKind::kPlusMinus, {term}, id);
    if (term == kNoNode) return kNoNode;
    terms.push_back(term);
    first = false;
    if (integrals_ > 0 && !differential_.empty()) break;
  }
  return terms.size() == 1 ? terms[0] : arena_.Make(NodeKind::kSum, terms);
}

NodeId MathParser::Product() {
  size_t start = at_;
  NodeId product = Factor();
  while (product != kNoNode) {
    if (integrals_ > 0 && !differential_.empty()) return product;
    if (Accept(Tok::kTimes)) {
      start = at_;
      product = Make(NodeKind::kProduct, {product, Factor()});
    } else if (Accept(Tok::kSlash)) {
      start = at_;
      product = Make(NodeKind::kQuotient, {product, Factor()});
    } else if (Accept(Tok::kModulo)) {
      product = MakeFunction(Function::kModulo, {product, Factor()});
    } else if (Accept(Tok::kChoose)) {
      product = MakeFunction(Function::kBinomial, {product, Factor()});
    } else if (Accept(Tok::kOver)) {
      product = Make(NodeKind::kQuotient, {product, Sum()});
    } else if (At(Tok::kMillion)) {
      NodeId scale = arena_.MakeInteger(1);
      for (; At(Tok::kMillion); ++at_) {
        const NodeId ten = arena_.MakeInteger(10);
        scale = Make(NodeKind::kProduct,
                     {scale, Make(NodeKind::kPower, {ten, arena_.MakeInteger(Next().id)})});
      }
      product = Make(NodeKind::kProduct, {product, scale});
    } else if (FactorAhead() && !UnitAhead()) {
      const size_t before = start;
      start = at_;
      product = NextFactor(product, before);
    } else {
      return product;
    }
  }
  return product;
}

// The factor that follows without an operator. A whole number before a fraction is a mixed number;
// two numbers side by side are no product, unless one is a power.
NodeId MathParser::NextFactor(NodeId before, size_t before_at) {
  const bool bare_number = at_ == before_at + 1 && tokens_[before_at].kind == Tok::kNumber;
  if (At(Tok::kNumber)) {
    const Tok behind = tokens_[at_ - 1].kind;
    const bool mixed = bare_number && Next(1).kind == Tok::kSlash && Next(2).kind == Tok::kNumber;
    if (mixed) return MixedNumber(before);
    const bool closed = behind == Tok::kCloseGroup || behind == Tok::kClose || behind == Tok::kBang;
    // 2^3 3^2: a power on either side, and a blank between them.
    const bool powers =
        behind == Tok::kNumber && Next().space_before &&
        (Next(1).kind == Tok::kCaret || (at_ > 1 && tokens_[at_ - 2].kind == Tok::kCaret));
    if (!closed && !powers) return kNoNode;
  }
  if (At(Tok::kAngle) && Next(1).kind != Tok::kLetters && Next(1).kind != Tok::kName) {
    ++at_;  // 2 \\angle 60^\\circ: a complex number by its modulus and argument
    return Make(NodeKind::kProduct, {before, OnUnitCircle(Factor())});
  }
  const bool selects = bare_number && At(Tok::kLetters) && !Next().space_before &&
                       (Next().text == "C" || Next().text == "P") && !Next(1).space_before &&
                       Next(1).kind == Tok::kNumber;
  if (selects) {  // 10C3
    const std::string letter = Next().text;
    ++at_;
    return Selection(letter, before, Number());
  }
  if (bare_number && At(Tok::kFraction)) return MixedNumber(before);
  return Make(NodeKind::kProduct, {before, Power()});
}

NodeId MathParser::MixedNumber(NodeId product) {
  NodeId fraction;
  if (At(Tok::kNumber)) {
    const NodeId numerator = Number();
    ++at_;
    fraction = Make(NodeKind::kQuotient, {numerator, Number()});
  } else {
    fraction = Fraction();
  }
  if (fraction == kNoNode) return kNoNode;
  const auto whole = [&](NodeId id) {
    const Node& n = arena_[id];
    return n.kind == NodeKind::kNumber && n.den == 1 && n.decimals == 0;
  };
  // Only the last factor is the whole part: "2 \cdot 3\frac12".
  const NodeId last =
      arena_.Is(product, NodeKind::kProduct) ? arena_.Children(product).back() : product;
  const bool proper = arena_.Is(fraction, NodeKind::kQuotient) && whole(last) &&
                      whole(arena_.Child(fraction, 0)) && whole(arena_.Child(fraction, 1)) &&
                      arena_[arena_.Child(fraction, 0)].num < arena_[arena_.Child(fraction, 1)].num;
  if (!proper) return Make(NodeKind::kProduct, {product, Postfix(fraction)});
  const NodeId mixed = Postfix(Make(NodeKind::kSum, {last, fraction}));
  if (last == product) return mixed;
  const auto children = arena_.Children(product);
  std::vector<NodeId> factors(children.begin(), children.end());
  factors.back() = mixed;
  return arena_.Make(NodeKind::kProduct, factors);
}

bool MathParser::FactorAhead() const {
  switch (Next().kind) {
    case Tok::kNumber:
    case Tok::kLetters:
    case Tok::kName:
    case Tok::kPi:
    case Tok::kInfinity:
    case Tok::kOpen:
    case Tok::kOpenGroup:
    case Tok::kOpenFloor:
    case Tok::kOpenCeiling:
    case Tok::kFunction:
    case Tok::kFraction:
    case Tok::kRoot:
    case Tok::kBinomial:
    case Tok::kOverline:
    case Tok::kBegin:
    case Tok::kSeries:
    case Tok::kIntegral:
    case Tok::kLimit:
    case Tok::kAngle:
      return !(At(Tok::kOpen) && Next(1).kind == Tok::kModulo) && !NoteAhead();
    case Tok::kOpenSquare:  // unless it closes an interval: ]0,1[
      return open_sets_ == 0 && !AtItemEnd(1) && Next(1).kind != Tok::kUnion &&
             Next(1).kind != Tok::kIntersection && Next(1).kind != Tok::kSetMinus;
    case Tok::kBar:
      return open_bars_ == 0 && open_sets_ == 0;
    default:
      return false;
  }
}

NodeId MathParser::Factor() {
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  if (Accept(Tok::kPlus)) return Factor();
  if (Accept(Tok::kMinus)) return Make(NodeKind::kNegation, {Factor()});
  if (At(Tok::kPlusMinus)) {
    const uint8_t id = Next().id;
    ++at_;
    return Make(NodeKind::kPlusMinus, {Factor()}, id);
  }
  return Power();
}

NodeId MathParser::Power() {
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  return Postfix(Primary());
}

NodeId MathParser::Postfix(NodeId base) {
  for (int marks = 0; base != kNoNode && marks < kMaxDepth; ++marks) {
    if (Accept(Tok::kBang)) {
      const bool twice = At(Tok::kBang) && !Next().space_before;
      if (twice) ++at_;
      base = Make(twice ? NodeKind::kDoubleFactorial : NodeKind::kFactorial, {base});
    } else if (Accept(Tok::kPercent)) {
      base = Make(NodeKind::kPercent, {base});
    } else if (Accept(Tok::kDegree)) {
      base = Minutes(Make(NodeKind::kDegrees, {base}));
    } else if (arena_.Is(base, NodeKind::kSymbol) && At(Tok::kUnderscore)) {
      base = SelectionBehind(arena_.Text(base));  // \\mathrm{C}_5^2
    } else if (At(Tok::kUnderscore) && ExtremeAhead()) {
      base = Extreme();
    } else if (Accept(Tok::kCaret)) {
      base = Exponent(base);
    } else {
      return base;
    }
  }
  return base == kNoNode || AtItemEnd() ? base : kNoNode;
}

NodeId MathParser::Exponent(NodeId base) {
  const bool group = At(Tok::kOpenGroup);
  if (Next(group ? 1 : 0).kind == Tok::kDegree) {
    at_ += group ? 2 : 1;
    if (group && !Accept(Tok::kCloseGroup)) return kNoNode;
    return Minutes(Make(NodeKind::kDegrees, {base}));
  }
  const MathToken& inner = Next(1);
  size_t groups = 0;
  while (groups < 3 && Next(groups).kind == Tok::kOpenGroup) ++groups;
  const bool raised_o = arena_.Is(base, NodeKind::kNumber) && Next(groups).text == "o" &&
                        (groups == 0 || Next(2 * groups).kind == Tok::kCloseGroup);
  if (raised_o) {  // an "o" for the sign of degrees
    at_ += 2 * groups + 1;
    return Make(NodeKind::kDegrees, {base});
  }
  const bool transposes =
      group ? inner.text == "T" && Next(2).kind == Tok::kCloseGroup : Next().text == "T";
  if (transposes && arena_.Is(base, NodeKind::kMatrix)) {
    at_ += group ? 3 : 1;
    return MakeFunction(Function::kTranspose, {base});
  }
  const bool row = arena_.Is(base, NodeKind::kTuple) ||
                   (arena_.Is(base, NodeKind::kInterval) && arena_[base].op == 3);
  if (transposes && row) {  // [1, 2]^T is a column
    at_ += group ? 3 : 1;
    const auto children = arena_.Children(base);
    const std::vector<NodeId> entries(children.begin(), children.end());
    return arena_.Make(NodeKind::kMatrix, entries, 1);
  }
  if (group) return Indexed(base, Argument());
  // x^ab is TeX's x^a b; x^-1 and the right-associative 2^3^2 are plain notation.
  if (At(Tok::kMinus) || At(Tok::kPlus)) return Make(NodeKind::kPower, {base, Factor()});
  NodeId exponent = kNoNode;
  if (At(Tok::kNumber)) {  // an index behind it is the base's: x^2_1
    exponent = arena_.MakeNumber(Next().text);
    ++at_;
  } else {
    exponent = At(Tok::kLetters) ? Letters() : Primary();
  }
  if (Accept(Tok::kCaret)) exponent = Exponent(exponent);
  return Indexed(base, exponent);
}

// Degrees with the minutes and seconds behind them: 30 degrees 15' 36''.
NodeId MathParser::Minutes(NodeId degrees) {
  if (degrees == kNoNode) return kNoNode;
  NodeId sum = arena_.Child(degrees, 0);
  bool more = false;
  while (At(Tok::kNumber) && Next(1).kind == Tok::kPrime) {
    const bool seconds = Next(2).kind == Tok::kPrime;
    const NodeId part = Make(NodeKind::kQuotient, {arena_.MakeNumber(Next().text),
                                                   arena_.MakeInteger(seconds ? 3600 : 60)});
    sum = Make(NodeKind::kSum, {sum, part});
    at_ += seconds ? 3 : 2;
    more = true;
  }
  return more ? Make(NodeKind::kDegrees, {sum}) : degrees;
}

// The power; an index that follows belongs to the base, so that x^2_1 is x_1^2.
NodeId MathParser::Indexed(NodeId base, NodeId exponent) {
  if (Accept(Tok::kUnderscore)) {
    if (base == kNoNode || !arena_.Is(base, NodeKind::kSymbol)) return kNoNode;
    std::string name = arena_.Text(base);
    if (name.find('_') != std::string::npos || !Subscript(&name)) return kNoNode;
    base = arena_.MakeText(NodeKind::kSymbol, name);
  }
  return Make(NodeKind::kPower, {base, exponent});
}

// The name of an extreme value: f(x)_{\\max}.
NodeId MathParser::Extreme() {
  const bool group = Next(1).kind == Tok::kOpenGroup;
  const auto f = static_cast<Function>(Next(group ? 2 : 1).id);
  at_ += group ? 3 : 2;
  if (group && !Accept(Tok::kCloseGroup)) return kNoNode;
  return arena_.MakeText(NodeKind::kSymbol, f == Function::kMax ? "maximum" : "minimum");
}

}  // namespace cohort::reward::math
