#include "reward/math/algebra/calculus.h"

#include <algorithm>
#include <vector>

#include "reward/math/algebra/rewrite.h"

namespace cohort::reward::math {
namespace {

bool DependsOn(const Arena& arena, NodeId id, const std::string& variable) {
  if (arena.Is(id, NodeKind::kSymbol)) return arena.Text(id) == variable;
  if (arena.Is(id, NodeKind::kCall)) return true;
  const auto children = arena.Children(id);
  return std::any_of(children.begin(), children.end(),
                     [&](NodeId child) { return DependsOn(arena, child, variable); });
}

class Calculus {
 public:
  Calculus(Arena* arena, std::string variable) : arena_(*arena), variable_(std::move(variable)) {}

  NodeId Derivative(NodeId id) {
    if (!DependsOn(arena_, id, variable_)) return Number(0);
    const Node node = arena_[id];
    switch (node.kind) {
      case NodeKind::kSymbol:
        return Number(1);
      case NodeKind::kNegation:
        return Negative(Derivative(arena_.Child(id, 0)));
      case NodeKind::kSum: {
        std::vector<NodeId> terms;
        for (size_t i = 0; i < node.count; ++i) terms.push_back(Derivative(arena_.Child(id, i)));
        return arena_.Make(NodeKind::kSum, terms);
      }
      case NodeKind::kProduct:
        return ProductRule(id);
      case NodeKind::kQuotient: {
        const NodeId a = arena_.Child(id, 0);
        const NodeId b = arena_.Child(id, 1);
        if (!DependsOn(arena_, b, variable_)) return Over(Derivative(a), b);
        const NodeId top = Sum(Times(Derivative(a), b), Negative(Times(a, Derivative(b))));
        return Over(top, Times(b, b));
      }
      case NodeKind::kPower:
        return PowerRule(arena_.Child(id, 0), arena_.Child(id, 1), id);
      case NodeKind::kRoot: {
        const NodeId x = arena_.Child(id, 0);
        const NodeId n = arena_.Child(id, 1);
        return Over(Times(id, Derivative(x)), Times(n, x));
      }
      case NodeKind::kFunction:
        return ChainRule(id);
      default:
        return kNoNode;
    }
  }

  NodeId Antiderivative(NodeId id) {
    const NodeId x = Variable();
    if (!DependsOn(arena_, id, variable_)) return Times(id, x);
    const Node node = arena_[id];
    switch (node.kind) {
      case NodeKind::kSymbol:
        return Over(Power(x, Number(2)), Number(2));
      case NodeKind::kNegation:
        return Negative(Antiderivative(arena_.Child(id, 0)));
      case NodeKind::kSum: {
        std::vector<NodeId> terms;
        for (size_t i = 0; i < node.count; ++i) {
          terms.push_back(Antiderivative(arena_.Child(id, i)));
        }
        return arena_.Make(NodeKind::kSum, terms);
      }
      case NodeKind::kProduct:
        return ProductIntegral(id);
      case NodeKind::kQuotient: {
        const NodeId top = arena_.Child(id, 0);
        const NodeId bottom = arena_.Child(id, 1);
        if (!DependsOn(arena_, bottom, variable_)) return Over(Antiderivative(top), bottom);
        if (DependsOn(arena_, top, variable_)) return kNoNode;
        const bool plain = arena_.Is(bottom, NodeKind::kSymbol);
        if (plain) return Times(top, Apply(Function::kLn, Apply(Function::kAbs, x)));
        if (!arena_.Is(bottom, NodeKind::kPower)) return kNoNode;
        return Times(
            top, Antiderivative(Power(arena_.Child(bottom, 0), Negative(arena_.Child(bottom, 1)))));
      }
      case NodeKind::kPower:
        return PowerIntegral(arena_.Child(id, 0), arena_.Child(id, 1));
      case NodeKind::kRoot:
        return PowerIntegral(arena_.Child(id, 0), Over(Number(1), arena_.Child(id, 1)));
      case NodeKind::kFunction:
        return FunctionIntegral(id);
      default:
        return kNoNode;
    }
  }

 private:
  NodeId Number(int64_t n) { return arena_.MakeInteger(n); }
  NodeId Variable() { return arena_.MakeText(NodeKind::kSymbol, variable_); }
  NodeId Sum(NodeId a, NodeId b) { return arena_.Make(NodeKind::kSum, {a, b}); }
  NodeId Times(NodeId a, NodeId b) { return arena_.Make(NodeKind::kProduct, {a, b}); }
  NodeId Over(NodeId a, NodeId b) { return arena_.Make(NodeKind::kQuotient, {a, b}); }
  NodeId Power(NodeId a, NodeId b) { return arena_.Make(NodeKind::kPower, {a, b}); }
  NodeId Negative(NodeId a) { return arena_.Make(NodeKind::kNegation, {a}); }
  NodeId Apply(Function f, NodeId a) {
    return arena_.Make(NodeKind::kFunction, {a}, static_cast<uint8_t>(f));
  }

  NodeId ProductRule(NodeId id) {
    const auto children = arena_.Children(id);
    const std::vector<NodeId> factors(children.begin(), children.end());
    std::vector<NodeId> terms;
    for (size_t i = 0; i < factors.size(); ++i) {
      if (!DependsOn(arena_, factors[i], variable_)) continue;
      std::vector<NodeId> term = factors;
      term[i] = Derivative(factors[i]);
      terms.push_back(arena_.Make(NodeKind::kProduct, term));
    }
    return arena_.Make(NodeKind::kSum, terms);
  }

  NodeId PowerRule(NodeId base, NodeId exponent, NodeId power) {
    if (!DependsOn(arena_, exponent, variable_)) {
      const NodeId lower = Power(base, Sum(exponent, Number(-1)));
      return Times(Times(exponent, lower), Derivative(base));
    }
    // (b^e)' = b^e (e ln b)'
    return Times(power, Derivative(Times(exponent, Apply(Function::kLn, base))));
  }

  NodeId ChainRule(NodeId id) {
    const Node node = arena_[id];
    const NodeId x = arena_.Child(id, 0);
    if (node.count != 1) return kNoNode;
    NodeId outer = kNoNode;
    const auto square = [&](NodeId a) { return Times(a, a); };
    switch (static_cast<Function>(node.op)) {
      case Function::kSin:
        outer = Apply(Function::kCos, x);
        break;
      case Function::kCos:
        outer = Negative(Apply(Function::kSin, x));
        break;
      case Function::kTan:
        outer = square(Apply(Function::kSec, x));
        break;
      case Function::kExp:
        outer = id;
        break;
      case Function::kLn:
        outer = Over(Number(1), x);
        break;
      case Function::kSinh:
        outer = Apply(Function::kCosh, x);
        break;
      case Function::kCosh:
        outer = Apply(Function::kSinh, x);
        break;
      case Function::kArctan:
        outer = Over(Number(1), Sum(Number(1), square(x)));
        break;
      default:
        return kNoNode;
    }
    return Times(outer, Derivative(x));
  }

  NodeId ProductIntegral(NodeId id) {
    std::vector<NodeId> constants = {Number(1)};
    std::vector<NodeId> rest;
    for (const NodeId factor : arena_.Children(id)) {
      (DependsOn(arena_, factor, variable_) ? rest : constants).push_back(factor);
    }
    const NodeId scale = arena_.Make(NodeKind::kProduct, constants);
    if (rest.size() == 1) return Times(scale, Antiderivative(rest[0]));
    // x^a x^b
    NodeId exponent = Number(0);
    for (const NodeId factor : rest) {
      if (arena_.Is(factor, NodeKind::kSymbol)) {
        exponent = Sum(exponent, Number(1));
      } else if (arena_.Is(factor, NodeKind::kPower) &&
                 arena_.Is(arena_.Child(factor, 0), NodeKind::kSymbol)) {
        exponent = Sum(exponent, arena_.Child(factor, 1));
      } else {
        return kNoNode;
      }
    }
    return Times(scale, PowerIntegral(Variable(), exponent));
  }

  // The derivative of a linear argument; kNoNode for any other.
  NodeId Slope(NodeId argument) {
    const NodeId slope = Derivative(argument);
    return slope != kNoNode && !DependsOn(arena_, slope, variable_) ? slope : kNoNode;
  }

  NodeId PowerIntegral(NodeId base, NodeId exponent) {
    if (DependsOn(arena_, exponent, variable_)) {
      const bool e = arena_.Is(base, NodeKind::kEuler);
      if (DependsOn(arena_, base, variable_)) return kNoNode;
      const NodeId power = Power(base, exponent);
      const NodeId scale = e ? Slope(exponent) : Times(Slope(exponent), Apply(Function::kLn, base));
      return Over(power, scale);
    }
    const bool minus_one = arena_.Is(exponent, NodeKind::kNegation) &&
                           arena_.Is(arena_.Child(exponent, 0), NodeKind::kNumber) &&
                           arena_[arena_.Child(exponent, 0)].num == 1 &&
                           arena_[arena_.Child(exponent, 0)].den == 1;
    if (minus_one) {
      return Over(Apply(Function::kLn, Apply(Function::kAbs, base)), Slope(base));
    }
    const NodeId next = Sum(exponent, Number(1));
    return Over(Power(base, next), Times(next, Slope(base)));
  }

  NodeId FunctionIntegral(NodeId id) {
    const NodeId x = arena_.Child(id, 0);
    NodeId whole = kNoNode;
    switch (static_cast<Function>(arena_[id].op)) {
      case Function::kSin:
        whole = Negative(Apply(Function::kCos, x));
        break;
      case Function::kCos:
        whole = Apply(Function::kSin, x);
        break;
      case Function::kExp:
        whole = id;
        break;
      case Function::kSinh:
        whole = Apply(Function::kCosh, x);
        break;
      case Function::kCosh:
        whole = Apply(Function::kSinh, x);
        break;
      case Function::kLn:
        whole = Sum(Times(x, id), Negative(x));
        break;
      default:
        return kNoNode;
    }
    return Over(whole, Slope(x));
  }

  Arena& arena_;
  std::string variable_;
};

}  // namespace

NodeId Differentiate(Arena* arena, NodeId id, const std::string& variable) {
  return Calculus(arena, variable).Derivative(id);
}

NodeId Integrate(Arena* arena, NodeId integral) {
  const std::string variable = arena->Text(arena->Child(integral, 1));
  const NodeId whole = Calculus(arena, variable).Antiderivative(arena->Child(integral, 0));
  if (whole == kNoNode || (*arena)[integral].count == 2) return whole;
  const NodeId lower = Substitute(arena, whole, variable, arena->Child(integral, 2));
  const NodeId upper = Substitute(arena, whole, variable, arena->Child(integral, 3));
  return arena->Make(NodeKind::kSum, {upper, arena->Make(NodeKind::kNegation, {lower})});
}

}  // namespace cohort::reward::math
