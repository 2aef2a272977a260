#pragma once

// The append-only records of a run: metrics.jsonl, samples.jsonl and TensorBoard events.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "rl/records/append_file.h"

namespace cohort::rl {

// A metrics row is a flat or nested JSON object with an integer "step". Fields that depend on the
// wall clock end in "_s" (seconds, or a rate per second: "decode_tokens_per_s"), so that two runs
// compare equal without them. Owned by one thread. Errors: kEnvironment naming file and reason;
// nothing written before is lost.
class MetricsLog {
 public:
  // Opens or creates the files in `run_folder`. `positions`, as Sync() returned them, cuts the
  // files back to a checkpoint, so that a resumed run writes the same files; null on a fresh start
  // cuts to nothing. kUsage when a file is shorter than its position.
  MetricsLog(const std::filesystem::path& run_folder, const nlohmann::json& positions);

  void Append(
      const nlohmann::json& row);  // metrics.jsonl; every number becomes a TensorBoard scalar
  void AppendSample(const nlohmann::json& row);  // samples.jsonl

  // fsyncs the files and returns their byte lengths, for the checkpoint's scalars.
  nlohmann::json Sync();

  static std::vector<nlohmann::json> Read(const std::filesystem::path& run_folder);

 private:
  AppendFile metrics_;
  AppendFile samples_;
  AppendFile events_;
};

}  // namespace cohort::rl
