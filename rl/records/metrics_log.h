#pragma once

// The append-only records of a run: metrics.jsonl, samples.jsonl and TensorBoard events.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "rl/records/append_file.h"
#include "rl/records/step_metrics.h"

namespace cohort::rl {

// Owned by one thread. Errors: kEnvironment naming file and reason; nothing written before is lost.
class MetricsLog {
 public:
  // Opens or creates the files in `run_folder`. `positions`, as Sync() returned them, cuts the
  // files back to a checkpoint, so that a resumed run writes the same files; null on a fresh start
  // cuts to nothing. kUsage when a file is shorter than its position.
  MetricsLog(const std::filesystem::path& run_folder, const nlohmann::json& positions);

  // A row of metrics.jsonl, and each of its numbers as a TensorBoard scalar.
  void Append(const StepMetrics& metrics);
  // A row of samples.jsonl.
  void AppendSample(const nlohmann::json& row);

  // fsyncs the files and returns their byte lengths, for the checkpoint's scalars.
  nlohmann::json Sync();

  // The rows of metrics.jsonl.
  static std::vector<nlohmann::json> Read(const std::filesystem::path& run_folder);

 private:
  AppendFile metrics_;
  AppendFile samples_;
  AppendFile events_;
};

}  // namespace cohort::rl
