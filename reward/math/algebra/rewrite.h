#pragma once

// Expressions made from expressions.

#include <set>
#include <string>
#include <vector>

#include "reward/math/algebra/expression.h"

namespace cohort::reward::math {

// Whether a node of this kind is anywhere below (or at) `id`.
bool Contains(const Arena& arena, NodeId id, NodeKind kind);

// Whether a number written as a decimal of that many significant digits or more is anywhere below.
bool HasDecimal(const Arena& arena, NodeId id, int min_digits);

// The names of free symbols, functions without a definition included.
void CollectSymbols(const Arena& arena, NodeId id, std::set<std::string>* names);
bool HasSymbols(const Arena& arena, NodeId id);

// The expression with every symbol of this name replaced.
NodeId Substitute(Arena* arena, NodeId id, const std::string& name, NodeId replacement);

// Every choice of signs for the plus-minus signs below: signs are chosen one by one, unless a
// minus-plus ties them together. At most 16; empty beyond.
std::vector<NodeId> SignVariants(Arena* arena, NodeId id);

// Derivatives, integrals and matrix arithmetic carried out where the rules are known; kNoNode when
// they are asked for and cannot be. Other expressions come back as they are.
NodeId Resolve(Arena* arena, NodeId id);

}  // namespace cohort::reward::math
