#pragma once

// Rows from a list, or an endless circle of them, that count how often each was read.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rl/data/row_source.h"

namespace cohort::rl {

class FakeRowSource final : public RowSource {
 public:
  enum class End { kFinite, kEndless };

  explicit FakeRowSource(std::vector<std::string> prompts, End end = End::kFinite)
      : prompts_(std::move(prompts)), end_(end), reads_(prompts_.size()) {}

  uint64_t size() const override { return end_ == End::kEndless ? 0 : prompts_.size(); }
  Problem Row(uint64_t index) override {
    const size_t place = end_ == End::kEndless ? index % prompts_.size() : index;
    ++reads_.at(place);
    Problem problem;
    problem.prompt = problem.question = prompts_.at(place);
    return problem;
  }

  const std::vector<int>& reads() const { return reads_; }

 private:
  const std::vector<std::string> prompts_;
  const End end_;
  std::vector<int> reads_;
};

}  // namespace cohort::rl
