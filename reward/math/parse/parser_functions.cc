// Named functions, sums, limits and integrals.

#include <utility>

#include "reward/math/algebra/limits.h"
#include "reward/math/parse/parser.h"

namespace cohort::reward::math {

NodeId MathParser::FunctionCall() {
  auto f = static_cast<Function>(Next().id);
  ++at_;
  std::vector<NodeId> arguments;
  NodeId base = kNoNode;
  NodeId power = kNoNode;
  if (f == Function::kLog && Accept(Tok::kUnderscore)) {
    base = Argument();
    if (base == kNoNode) return kNoNode;
  }
  if (Accept(Tok::kCaret)) {
    power = Argument();
    if (power == kNoNode) return kNoNode;
    const bool inverse = arena_.Is(power, NodeKind::kNegation) &&
                         arena_[arena_.Child(power, 0)].num == 1 &&
                         arena_.Is(arena_.Child(power, 0), NodeKind::kNumber);
    if (inverse && Inverse(f) != f) {
      f = Inverse(f);
      power = kNoNode;
    }
    if (f == Function::kLog && base == kNoNode && Accept(Tok::kUnderscore)) base = Argument();
  }
  if (FunctionArguments(f, &arguments) == kNoNode) return kNoNode;
  if (base != kNoNode) arguments.push_back(base);
  NodeId call = kNoNode;
  if (f == Function::kPermutations) {
    call = arguments.size() == 2 ? Selection("P", arguments[0], arguments[1]) : kNoNode;
  } else if (f == Function::kCis) {
    call = OnUnitCircle(arguments[0]);
  } else {
    call = arena_.Make(NodeKind::kFunction, arguments, static_cast<uint8_t>(f));
  }
  if (power != kNoNode) call = Make(NodeKind::kPower, {call, power});
  return call;
}

// cos x + i sin x
NodeId MathParser::OnUnitCircle(NodeId angle) {
  const NodeId sine = MakeFunction(Function::kSin, {angle});
  const NodeId imaginary = Make(NodeKind::kProduct, {Make(NodeKind::kImaginary, {}), sine});
  return Make(NodeKind::kSum, {MakeFunction(Function::kCos, {angle}), imaginary});
}

// Reads what a function is applied to; kNoNode on failure.
NodeId MathParser::FunctionArguments(Function f, std::vector<NodeId>* arguments) {
  const bool several =
      (f >= Function::kGcd && f <= Function::kBinomial) || f == Function::kPermutations;
  if (At(Tok::kOpen) || At(Tok::kOpenSquare) || (several && At(Tok::kOpenSet))) {
    const Tok close = At(Tok::kOpen)         ? Tok::kClose
                      : At(Tok::kOpenSquare) ? Tok::kCloseSquare
                                             : Tok::kCloseSet;
    ++at_;
    const int bars = open_bars_;
    open_bars_ = 0;
    if (!Items({close}, arguments) || !Accept(close)) return kNoNode;
    open_bars_ = bars;
    const bool one = arguments->size() == 1 || several;
    return one ? arguments->front() : kNoNode;
  }
  arguments->push_back(BareArgument());
  return arguments->back();
}

// sin 2x, ln xy, sin b cos a: factors side by side, up to an operator or another function.
NodeId MathParser::BareArgument() {
  if (At(Tok::kMinus)) {
    ++at_;
    return Make(NodeKind::kNegation, {BareArgument()});
  }
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  const bool nested = At(Tok::kFunction);
  NodeId argument = Power();
  while (!nested && argument != kNoNode && FactorAhead() &&
         !(integrals_ > 0 && At(Tok::kLetters) && Differential()) && !At(Tok::kFunction) &&
         !At(Tok::kOpen) && !UnitAhead() && !At(Tok::kNumber)) {
    argument = Make(NodeKind::kProduct, {argument, Power()});
  }
  return argument;
}

// Subscript and superscript of a sum or an integral, in either order; kNoNode where absent.
bool MathParser::Bounds(NodeId* from, NodeId* to) {
  for (int i = 0; i < 2; ++i) {
    NodeId* bound = At(Tok::kUnderscore) ? from : At(Tok::kCaret) ? to : nullptr;
    if (bound == nullptr) break;
    ++at_;
    if (At(Tok::kOpenGroup) && Next(1).kind == Tok::kCloseGroup) {
      at_ += 2;
      continue;
    }
    *bound = Argument();
    if (*bound == kNoNode) return false;
  }
  return true;
}

NodeId MathParser::Series() {
  const uint8_t product = Next().id;
  ++at_;
  NodeId from = kNoNode;
  NodeId to = kNoNode;
  if (!Bounds(&from, &to) || from == kNoNode || to == kNoNode) return kNoNode;
  if (!arena_.Is(from, NodeKind::kRelation) || arena_.Text(from) != "=") return kNoNode;
  NodeId variable = arena_.Child(from, 0);
  if (arena_.Is(variable, NodeKind::kImaginary)) variable = arena_.MakeText(NodeKind::kSymbol, "i");
  if (!arena_.Is(variable, NodeKind::kSymbol)) return kNoNode;
  const bool outer = std::exchange(i_is_index_, i_is_index_ || arena_.Text(variable) == "i");
  const NodeId body = Product();
  i_is_index_ = outer;
  return Make(NodeKind::kSeries, {body, variable, arena_.Child(from, 1), to}, product);
}

NodeId MathParser::Limit() {
  ++at_;
  if (!Accept(Tok::kUnderscore) || !Accept(Tok::kOpenGroup)) return kNoNode;
  const NodeId variable = Primary();
  if (variable == kNoNode || !arena_.Is(variable, NodeKind::kSymbol) || !Accept(Tok::kTo)) {
    return kNoNode;
  }
  NodeId point = kNoNode;
  uint8_t side = 0;
  if (At(Tok::kNumber) && Next(1).kind == Tok::kCaret) {  // 3^{+}
    point = Number();
    ++at_;
    const bool group = Accept(Tok::kOpenGroup);
    side = At(Tok::kMinus) ? 1 : 0;
    if (!Accept(Tok::kPlus) && !Accept(Tok::kMinus)) return kNoNode;
    if (group && !Accept(Tok::kCloseGroup)) return kNoNode;
  } else {
    point = Sum();
  }
  if (!Accept(Tok::kCloseGroup)) return kNoNode;
  return Make(NodeKind::kLimit, {Product(), variable, point}, side);
}

NodeId MathParser::Integral() {
  ++at_;
  NodeId from = kNoNode;
  NodeId to = kNoNode;
  if (!Bounds(&from, &to) || (from == kNoNode) != (to == kNoNode)) return kNoNode;
  const std::string outer = std::move(differential_);
  differential_.clear();
  ++integrals_;
  const NodeId body = Sum();
  --integrals_;
  const std::string variable = std::move(differential_);
  differential_ = outer;
  if (body == kNoNode || variable.empty()) return kNoNode;
  const NodeId symbol = arena_.MakeText(NodeKind::kSymbol, variable);
  if (from == kNoNode) return Make(NodeKind::kIntegral, {body, symbol});
  return Make(NodeKind::kIntegral, {body, symbol, from, to});
}

}  // namespace cohort::reward::math
