#pragma once

// Built-in problems, and the one place where the learner gets problems from.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "rl/data/dataset.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// The index-th problem of a built-in generator: a pure function of its arguments, the
// same on every machine.
Problem GenerateProblem(proto::Data::Generator generator, uint64_t seed, uint64_t index);

// Training problems by cursor and the held-out ones, from data.train / data.test or data.generator.
// Owned by one thread.
class ProblemSource {
 public:
  // Keeps a problem or leaves it out (too long a prompt); asked once per problem of a file.
  using Keep = std::function<bool(const Problem&)>;

  // Loads both files or draws the held-out problems. At most `test_problems` are held out: the
  // first rows of data.test, or as many distinct generated ones (the same for every seed). Without
  // data.test nothing is held out. Errors: as LoadProblems; kUsage when no training problem is
  // left.
  ProblemSource(const proto::Data& data, uint64_t seed, int test_problems, const Keep& keep = {},
                RowKind training_rows = RowKind::kTraining);

  // The problem at `cursor` of the endless training sequence; the same for the same cursor. Files
  // are shuffled anew each epoch; a generated problem whose prompt is held out is replaced by
  // another.
  Problem Train(uint64_t cursor);
  const std::vector<Problem>& test() const { return test_; }

  uint64_t train_size() const { return train_.size(); }  // 0 for a generator: endless
  uint64_t left_out() const { return left_out_; }        // by `keep`, train and test together

 private:
  Problem Generate(uint64_t seed, uint64_t index) const;
  void DrawHeldOut(int count);

  proto::Data data_;
  uint64_t seed_;
  std::vector<Problem> train_;
  std::vector<Problem> test_;
  std::vector<ProblemStream> stream_;  // one, or none for a generator
  std::unordered_set<std::string> held_out_prompts_;
  uint64_t left_out_ = 0;
};

}  // namespace cohort::rl
