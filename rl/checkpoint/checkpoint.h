#pragma once

// Training state on disk: whole and checksummed, or not there.
//   checkpoints/step-N/   state.tensors, state.json, manifest.json,
//                         model/ (Hugging Face export; PEFT's adapter/ in it where adapters train)

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace cohort::rl {

// All that a run needs to go on bit for bit.
struct TrainingState {
  std::map<std::string, at::Tensor> tensors;  // "policy/...", "reference/...", "adam_m/...", ...
  nlohmann::json scalars;  // step, round, data cursor, policy_version, file positions ...
};

// Writes the model's export into the folder that it is given (which exists).
using ExportModel = std::function<void(const std::filesystem::path& folder)>;

// Writes step-N.tmp/, fsyncs every file, writes manifest.json (size and checksum of each file, and
// of itself) last, renames to step-N and fsyncs the parent. An older step-N is replaced. Tensors
// may live on any device. `export_model` may be empty. Errors: kEnvironment (disk full ...): the
// checkpoints that there were are untouched and step-N.tmp is removed.
void SaveCheckpoint(const std::filesystem::path& run_folder, int64_t step,
                    const TrainingState& state, const ExportModel& export_model);

// Removes all but the newest `keep` (>= 2) good-looking checkpoints and that of `kept_step`, and
// left-over *.tmp folders.
void PruneCheckpoints(const std::filesystem::path& run_folder, int keep,
                      std::optional<int64_t> kept_step = std::nullopt);

struct LoadedCheckpoint {
  int64_t step = 0;
  std::filesystem::path folder;
  TrainingState state;  // on the CPU
};

struct CheckpointSearch {
  // The newest checkpoint whose every file has the size and checksum that its manifest says.
  std::optional<LoadedCheckpoint> newest;
  std::vector<std::string> warnings;  // one a damaged checkpoint: file and reason
};

// Reads from the newest on. A damaged checkpoint is renamed to step-N.bad.
CheckpointSearch FindNewestCheckpoint(const std::filesystem::path& run_folder);

// Steps of the finished checkpoints, newest first.
std::vector<int64_t> CheckpointSteps(const std::filesystem::path& run_folder);
// One of them, every file of which is checked; nothing is changed. Errors: kUsage for a damaged
// one.
LoadedCheckpoint ReadCheckpoint(const std::filesystem::path& folder);

// Whether any was ever finished, readable or not: a run killed in its first save has none.
bool HoldsCheckpoints(const std::filesystem::path& run_folder);

// Where the checkpoint of a step lies.
std::filesystem::path CheckpointFolder(const std::filesystem::path& run_folder, int64_t step);

// Returns "" for a whole checkpoint, else which file is damaged and how. Reads everything, changes
// nothing.
std::string CheckpointFault(const std::filesystem::path& folder);

}  // namespace cohort::rl
