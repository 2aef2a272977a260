#pragma once

// A parsed answer: nodes in an arena, children before parents. Every node carries a structural
// hash in which the order of summands and factors does not matter.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reward/math/algebra/functions.h"
#include "reward/math/algebra/limits.h"

namespace cohort::reward::math {

using NodeId = uint32_t;
constexpr NodeId kNoNode = 0;  // what a parse that failed returns

enum class NodeKind : uint8_t {
  // scalars
  kNumber,  // num / den; or the literal in `text` where it does not fit
  kSymbol,  // text: its name, subscript and primes included
  kPi,
  kEuler,
  kImaginary,
  kInfinity,
  kSum,       // n terms
  kProduct,   // n factors
  kQuotient,  // a / b
  kNegation,
  kPower,      // base, exponent
  kRoot,       // radicand, index
  kPlusMinus,  // op 0: plus-minus, op 1: minus-plus
  kFactorial,
  kDoubleFactorial,
  kFunction,    // op: Function; n arguments
  kCall,        // text: the function's name; n arguments
  kSeries,      // op 0: sum, 1: product; body, variable, from, to
  kIntegral,    // body, variable [, from, to]
  kDerivative,  // body, variable
  kLimit,       // body, variable, point
  kPercent,
  kDegrees,
  kBaseNumeral,  // value; text: the numeral as written
  kQuantity,     // value; text: its unit
  // collections
  kList,   // bare commas, "and", "or"; op 1: "or" stood in it, 2: "and"
  kTuple,  // in round or angle brackets; two in round ones may be an open interval
  kSet,
  kInterval,  // from, to; op: bit 0 closed below, bit 1 closed above
  kMatrix,    // op: columns; entries row by row
  kUnion,
  kIntersection,
  kDifference,
  kNumberSet,  // text: R, Z, N, Q or C
  kEmptySet,
  kSetBuilder,  // element, conditions
  // statements
  kRelation,  // n sides; text: the n - 1 operators, see RelationOp
  kMember,    // element, set; op 1: not a member
  kModulus,   // a congruence's sides (a relation), modulus
  // the rest
  kRatio,  // a : b : ...
  kText,   // text: words
  kEllipsis,
};

// One character an operator in kRelation's text.
enum RelationOp : char {
  kEqual = '=',
  kLess = '<',
  kGreater = '>',
  kLessEqual = 'l',
  kGreaterEqual = 'g',
  kNotEqual = '!',
  kApproximately = '~',
  kCongruent = 'c',
};

using Hash = unsigned __int128;

struct Node {
  NodeKind kind = NodeKind::kNumber;
  uint8_t op = 0;
  uint8_t decimals = 0;  // kNumber written as a decimal: its significant digits, 255 at most
  uint32_t size = 1;     // nodes of that tree, shared ones counted each time
  uint16_t depth = 1;    // of the tree below and with this node
  uint16_t places = 0;   // kNumber: digits after the point as written
  uint32_t first = 0;    // into the arena's child list
  uint32_t count = 0;
  uint32_t text = 0;  // into the arena's texts; 0 is the empty text
  int64_t num = 0;
  int64_t den = 1;  // 0: the literal is in `text`
  Hash hash = 0;
};

// Nodes of the two answers of one verdict. Cleared and used again; not thread-safe. Make*() return
// kNoNode once kMaxNodes is reached, for trees above kMaxTreeDepth or kMaxTreeSize, and when a
// child is kNoNode.
class Arena {
 public:
  Arena() { Clear(); }
  void Clear();

  const Node& operator[](NodeId id) const { return nodes_[id]; }
  std::span<const NodeId> Children(NodeId id) const {
    return {children_.data() + nodes_[id].first, nodes_[id].count};
  }
  NodeId Child(NodeId id, size_t i) const { return children_[nodes_[id].first + i]; }
  const std::string& Text(NodeId id) const { return texts_[nodes_[id].text]; }
  bool Is(NodeId id, NodeKind kind) const { return nodes_[id].kind == kind; }

  NodeId Make(NodeKind kind, std::span<const NodeId> children, uint8_t op = 0,
              std::string_view text = {});
  NodeId Make(NodeKind kind, std::initializer_list<NodeId> children, uint8_t op = 0,
              std::string_view text = {}) {
    return Make(kind, std::span<const NodeId>(children.begin(), children.size()), op, text);
  }
  NodeId MakeText(NodeKind kind, std::string_view text) { return Make(kind, {}, 0, text); }
  NodeId MakeInteger(int64_t value);
  // digits [. digits] [e [+-] digits], without a sign.
  NodeId MakeNumber(std::string_view literal);
  // The node again with other children; the same node where nothing changed.
  NodeId WithChildren(NodeId id, std::span<const NodeId> children);

  bool Full() const { return nodes_.size() >= kMaxNodes; }
  size_t size() const { return nodes_.size(); }

 private:
  NodeId Add(Node node);
  std::span<const NodeId> Span(const Node& node) const {
    return {children_.data() + node.first, node.count};
  }
  Hash HashOf(const Node& node) const;

  std::vector<Node> nodes_;
  std::vector<NodeId> children_;
  std::vector<std::string> texts_;
  size_t num_texts_ = 0;
};

}  // namespace cohort::reward::math
