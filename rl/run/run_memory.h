#pragma once

// The memory that a run of a recipe takes: what it depends on, and what is refused for want of it.

#include <cstdint>
#include <optional>

#include "policy/model.h"
#include "rl/plan/local_run.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// True where demonstrations of the training rows are learnt.
bool HasSftRound(const proto::Recipe& recipe);

// Tokens of the rows that a run begins with.
struct RowLengths {
  int64_t rows = 0;    // looked at
  int64_t prompt = 0;  // the mean, to the nearest
  int64_t longest_prompt = 0;
  // Prompt and completion of one sequence, as an sft round takes it; 0 in a recipe without one.
  int64_t demonstration = 0;
  int64_t longest_demonstration = 0;
};
// Reads the data as the run would. Errors as ProblemSource's.
RowLengths MeasureRows(const proto::Recipe& recipe, const policy::Model& model);

// Sizes that memory and time of the recipe's run depend on: completions of full length, and prompts
// and demonstrations as `rows` has them, or as long as the recipe lets them be. kUsage for adapters
// that do not fit the model (rl/run/recipe_adapter.h).
LocalRun LocalRunOf(const proto::Recipe& recipe, const policy::ModelConfig& config,
                    const std::optional<RowLengths>& rows = std::nullopt);

// Needs no weights. kUsage for optimizer.activation_memory_mb that one of the longest sequences
// does not fit in, with the smallest that would do. Tells of micro-batches that it makes smaller.
void CheckBudget(const policy::Model& model, const proto::Recipe& recipe);

// The same, and kEnvironment for what would end in the kernel's killing some process half an hour
// later. Warns where the longest rows would need more than there is.
void CheckMemory(const policy::Model& model, const proto::Recipe& recipe);

}  // namespace cohort::rl
