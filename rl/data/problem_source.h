#pragma once

// The one place where the learner gets problems from.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "rl/data/encoded_problem.h"
#include "rl/data/epoch_order.h"
#include "rl/data/json_lines_rows.h"

namespace cohort::rl {

using SharedProblem = std::shared_ptr<const EncodedProblem>;

// The rows that a run reads.
struct ProblemRows {
  std::unique_ptr<RowSource> train;     // an endless one is drawn from, a finite one shuffled
  std::unique_ptr<RowSource> held_out;  // null: nothing is held out
  std::string name;                     // of the training rows, for messages
};

// Training problems by cursor and the held-out ones. Each is tokenized once. Owned by one thread.
class ProblemSource {
 public:
  struct Options {
    uint64_t seed = 1;
    int test_problems = 0;
    RowKind training_rows = RowKind::kTraining;
    std::function<SharedProblem(Problem)> encode;     // EncodeProblem with the policy's model
    std::function<bool(const EncodedProblem&)> keep;  // asked for each row of a file; empty: all
  };

  // Loads both files or draws the held-out problems. At most `test_problems` are held out: the
  // first rows of data.test, or as many distinct generated ones (the same for every seed). Without
  // data.test nothing is held out. Errors: as LoadProblems; kUsage when no training problem is
  // left.
  ProblemSource(const proto::Data& data, const Options& options);
  // The same from any rows. Those of an endless source that are held out are all different, and
  // none is trained on.
  ProblemSource(ProblemRows rows, const Options& options);

  // The problem at `cursor` of the endless training sequence; the same for the same cursor. Files
  // are shuffled anew each epoch; a generated problem whose prompt is held out is replaced by
  // another.
  SharedProblem Train(uint64_t cursor);
  const std::vector<SharedProblem>& test() const { return test_; }
  // Those of a file, in its order; none of a generator.
  const std::vector<SharedProblem>& train() const { return train_; }

  uint64_t train_size() const { return train_.size(); }  // 0 for a generator: endless
  uint64_t left_out() const { return left_out_; }        // by `keep`, train and test together
  // Rows that could not be read or encoded; an entry for each file with some.
  const std::vector<UnreadableRows>& unreadable() const { return unreadable_; }
  // Held-out problems whose prompt is trained on, of a finite source.
  uint64_t held_out_in_train() const;

 private:
  std::vector<SharedProblem> Kept(RowSource& rows, size_t limit);
  SharedProblem Encode(Problem problem, UnreadableRows* unreadable);
  void DrawHeldOut(RowSource& rows);

  ProblemRows rows_;
  const Options options_;
  std::vector<SharedProblem> train_;  // of a finite source, in the order `order_`
  std::optional<EpochOrder> order_;
  std::vector<SharedProblem> test_;
  std::unordered_set<std::string> held_out_prompts_;
  uint64_t left_out_ = 0;
  std::vector<UnreadableRows> unreadable_;
};

}  // namespace cohort::rl
