#pragma once

// The process of a Python reward: an interpreter that runs python_host.py, spoken to in JSON lines
// over a channel of its own, so that what the user's code prints goes to the service's stderr.

#include <filesystem>
#include <string>

#include "reward/plugins/child.h"
#include "reward/plugins/worker.h"

namespace cohort::reward {

struct PythonSettings {
  std::filesystem::path path;  // absolute
  std::string function;        // empty: `reward`, or `reward_batch` where there is no such one
  std::string interpreter;     // absolute
  int64_t memory_mib;
};

class PythonProcess final : public PluginWorker {
 public:
  // Returns when the file is loaded. Errors: kUsage when it cannot be, with file:line; kUnavailable
  // when it was killed from outside, kEnvironment when no process can be started.
  PythonProcess(const PythonSettings& settings, const Budget& budget);

  // A batch function is called once with all samples, another one once for each, within one budget.
  std::vector<Grade> Score(std::span<const Sample* const> samples, const Budget& budget) override;
  bool takes_batches() const override { return takes_batches_; }
  bool alive() const override { return child_.alive(); }
  int killed_by() const override { return child_.killed_by(); }

 private:
  PluginChild child_;
  uint64_t number_ = 0;
  bool takes_batches_ = false;
};

}  // namespace cohort::reward
