#pragma once

// A recorded step computed again: `cohort replay`.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cohort::rl {

// A figure as the journal has it and as it comes out again.
struct ReplayedFigure {
  std::string name;  // "update 2: gradient norm"
  double recorded = 0;
  double recomputed = 0;

  bool equal() const;  // in every bit; two that are no number are equal
};

struct ReplayReport {
  int64_t step = 0;
  int32_t round = 0;  // from 1
  std::string kind;
  int64_t start = 0;  // whose checkpoint the replay began with; 0 also: the recipe's first policy
  int64_t samples = 0;
  int64_t advantages = 0;  // compared
  // Group, sample and values of the first that differs.
  std::optional<ReplayedFigure> differing_advantage;
  int64_t differing_advantages = 0;
  std::vector<ReplayedFigure> figures;  // loss, gradient norm and gap of each update
  // A step before it that came out otherwise: what follows it cannot be equal.
  std::optional<int64_t> diverged_at;
  // Whether the weights afterwards are those of the step's checkpoint, where there is one.
  std::optional<bool> weights_equal;
  std::vector<std::string> platform_changes;  // "processor: OLD, here NEW"

  bool equal() const;
};

// Takes the weights before `step` from the newest checkpoint before it, or from the recipe where
// there is none, repeats the recorded steps between, and computes the step again from its recorded
// samples and rewards. Starts no process and writes nothing. `say` gets lines for a person.
// Errors: kUsage for a step that the run has not taken; kEnvironment naming the entry that is gone,
// damaged or not whole, and what can be done.
ReplayReport ReplayStep(const std::filesystem::path& run_folder, int64_t step,
                        const std::function<void(const std::string&)>& say);

}  // namespace cohort::rl
