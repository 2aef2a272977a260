#pragma once

// The `loop` of a {% for %}.

#include <memory>
#include <string>
#include <vector>

#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {

struct Scope;
struct Statement;

struct LoopState {
  std::vector<Value> items;
  size_t index0 = 0;
  int depth = 1;                         // of calls of a recursive loop, from 1
  const Statement* statement = nullptr;  // for loop(..) of a recursive one
  std::weak_ptr<Scope> scope;            // around it
  // loop.changed() remembers what it saw last.
  mutable std::shared_ptr<const List> last_seen;
};

// loop.index, loop.first, loop.cycle(..) and so on; undefined for another name.
Value LoopAttribute(const std::shared_ptr<const LoopState>& loop, const std::string& name);

}  // namespace cohort::policy::jinja
