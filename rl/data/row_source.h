#pragma once

#include <cstdint>

#include "rl/data/problem.h"
#include "rl/data/unreadable_rows.h"

namespace cohort::rl {

// Where problems come from: a file, a generator.
class RowSource {
 public:
  virtual ~RowSource() = default;

  virtual uint64_t size() const = 0;  // 0: endless
  // The row at `index`, below size() where that is not 0. A finite source gives each row once.
  virtual Problem Row(uint64_t index) = 0;
  // Lines of a file that are not among its rows.
  virtual UnreadableRows unreadable() const { return {}; }
};

}  // namespace cohort::rl
