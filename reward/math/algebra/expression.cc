#include "reward/math/algebra/expression.h"

#include <algorithm>
#include <numeric>

namespace cohort::reward::math {
namespace {

constexpr Hash kOdd = (static_cast<Hash>(0x9E3779B97F4A7C15u) << 64) | 0xF39CC0605CEDC835u;

Hash Mix(Hash h) {
  h ^= h >> 67;
  h *= kOdd;
  h ^= h >> 59;
  h *= kOdd;
  return h ^ (h >> 64);
}

Hash HashText(std::string_view text) {
  Hash h = 7;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * kOdd;
  return Mix(h);
}

bool Commutes(const Node& node) {
  if (node.kind == NodeKind::kFunction) {
    const auto f = static_cast<Function>(node.op);
    return f >= Function::kGcd && f <= Function::kMin;
  }
  return node.kind == NodeKind::kSum || node.kind == NodeKind::kUnion ||
         node.kind == NodeKind::kIntersection;
}

}  // namespace

void Arena::Clear() {
  nodes_.assign(1, Node{});
  children_.clear();
  if (texts_.empty()) texts_.emplace_back();
  num_texts_ = 1;
}

NodeId Arena::Add(Node node) {
  if (Full()) return kNoNode;
  node.hash = HashOf(node);
  nodes_.push_back(node);
  return static_cast<NodeId>(nodes_.size() - 1);
}

Hash Arena::HashOf(const Node& node) const {
  Hash h = static_cast<Hash>(node.kind) * 131 + node.op + 1;
  if (node.kind == NodeKind::kNumber && node.den != 0) {
    return Mix(Mix(h + static_cast<Hash>(node.num)) + static_cast<Hash>(node.den));
  }
  if (node.text != 0) h += HashText(texts_[node.text]);
  // Matrix products do not commute; a product's hash depends on the order where one may be inside.
  const auto may_be_matrix = [&](NodeId c) {
    return nodes_[c].kind != NodeKind::kNumber && nodes_[c].kind != NodeKind::kSymbol;
  };
  const std::span<const NodeId> children = Span(node);
  bool commutes = Commutes(node);
  if (node.kind == NodeKind::kProduct) {
    commutes = std::count_if(children.begin(), children.end(), may_be_matrix) <= 1;
  }
  Hash all = 0;
  for (const NodeId child : children) {
    all = commutes ? all + Mix(nodes_[child].hash) : Mix(all + nodes_[child].hash);
  }
  return Mix(Mix(h) + all + node.count);
}

NodeId Arena::Make(NodeKind kind, std::span<const NodeId> children, uint8_t op,
                   std::string_view text) {
  for (const NodeId child : children) {
    if (child == kNoNode) return kNoNode;
  }
  if (Full()) return kNoNode;
  Node node;
  node.kind = kind;
  node.op = op;
  // `children` may point into the list that grows below.
  const std::vector<NodeId> copy(children.begin(), children.end());
  node.first = static_cast<uint32_t>(children_.size());
  for (const NodeId child : copy) {
    const bool flat =
        nodes_[child].kind == kind && (kind == NodeKind::kSum || kind == NodeKind::kProduct);
    if (!flat) {
      children_.push_back(child);
      continue;
    }
    for (uint32_t i = 0; i < nodes_[child].count; ++i) children_.push_back(Child(child, i));
  }
  node.count = static_cast<uint32_t>(children_.size()) - node.first;
  for (const NodeId child : Span(node)) {
    node.depth = std::max<uint16_t>(node.depth, nodes_[child].depth + 1);
    node.size += nodes_[child].size;
  }
  if (node.depth > kMaxTreeDepth || node.size > kMaxTreeSize) return kNoNode;
  if (!text.empty()) {
    if (num_texts_ == texts_.size()) texts_.emplace_back();
    texts_[num_texts_] = text;
    node.text = static_cast<uint32_t>(num_texts_++);
  }
  return Add(node);
}

NodeId Arena::MakeInteger(int64_t value) {
  Node node;
  node.num = value;
  return Add(node);
}

NodeId Arena::MakeNumber(std::string_view literal) {
  const size_t point = literal.find('.');
  const size_t exponent = std::min(literal.find('e'), literal.size());
  int64_t value = 0;
  int64_t den = 1;
  bool fits = exponent == literal.size();
  for (size_t i = 0; i < exponent && fits; ++i) {
    if (literal[i] == '.') continue;
    fits = value < INT64_MAX / 20 && den < INT64_MAX / 20;
    if (!fits) break;
    value = value * 10 + (literal[i] - '0');
    if (point < i) den *= 10;
  }
  NodeId id;
  if (fits) {
    const int64_t common = std::gcd(value, den);
    Node node;
    node.num = value / common;
    node.den = den / common;
    id = Add(node);
  } else {
    // One spelling a value, so that equal literals have equal hashes.
    const size_t zeros = std::min(literal.find_first_not_of('0'), literal.size());
    id = Make(NodeKind::kNumber, std::span<const NodeId>{}, 0, literal.substr(zeros));
    if (id != kNoNode) {
      nodes_[id].den = 0;
      nodes_[id].hash = HashOf(nodes_[id]);
    }
  }
  if (id == kNoNode) return id;
  if (point < literal.size() || exponent < literal.size()) {
    const std::string_view mantissa = literal.substr(0, exponent);
    const size_t first = std::min(mantissa.find_first_not_of("0."), mantissa.size());
    const auto digits = std::count_if(mantissa.begin() + static_cast<std::ptrdiff_t>(first),
                                      mantissa.end(), [](char c) { return c != '.'; });
    nodes_[id].decimals = static_cast<uint8_t>(std::clamp<std::ptrdiff_t>(digits, 1, 255));
  }
  if (point < exponent) nodes_[id].places = static_cast<uint16_t>(exponent - point - 1);
  return id;
}

NodeId Arena::WithChildren(NodeId id, std::span<const NodeId> children) {
  if (std::equal(children.begin(), children.end(), Children(id).begin(), Children(id).end())) {
    return id;
  }
  const std::string text = Text(id);
  return Make(nodes_[id].kind, children, nodes_[id].op, text);
}

}  // namespace cohort::reward::math
