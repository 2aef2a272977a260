#pragma once

// The process of a shared object, spoken to in the structs of protocol.h.

#include <filesystem>
#include <string>

#include "reward/plugins/child.h"
#include "reward/plugins/worker.h"

namespace cohort::reward {

struct PluginSettings {
  std::filesystem::path path;  // absolute
  std::string config;
  int64_t memory_mib;
};

class PluginProcess final : public PluginWorker {
 public:
  // Returns when the plug-in is loaded. Errors: kUsage when it cannot be loaded (with the loader's
  // reason), kUnavailable when it was killed from outside, kEnvironment when no process can be
  // started.
  PluginProcess(const PluginSettings& settings, const Budget& budget);

  std::vector<Grade> Score(std::span<const Sample* const> samples, const Budget& budget) override;
  bool alive() const override { return child_.alive(); }
  int killed_by() const override { return child_.killed_by(); }

 private:
  Grade ScoreOne(const Sample& sample, const Budget& budget);

  PluginSettings settings_;
  PluginChild child_;
  uint64_t number_ = 0;
};

}  // namespace cohort::reward
