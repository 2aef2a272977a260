#pragma once

// Built-in problems.

#include <cstdint>

#include "rl/data/row_source.h"

namespace cohort::rl {

// The index-th problem of a built-in generator. A pure function of its arguments, the same on every
// same on every machine.
Problem GenerateProblem(proto::Data::Generator generator, uint64_t seed, uint64_t index);

// The problems of data.generator, posed as the recipe wants them.
class GeneratedRows final : public RowSource {
 public:
  GeneratedRows(const proto::Data& data, uint64_t seed);

  uint64_t size() const override { return 0; }
  Problem Row(uint64_t index) override;

 private:
  const proto::Data data_;
  const uint64_t seed_;
};

}  // namespace cohort::rl
