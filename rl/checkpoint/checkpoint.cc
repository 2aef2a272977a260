#include "rl/checkpoint/checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/file_fault.h"
#include "base/json_lines.h"
#include "rl/checkpoint/manifest.h"
#include "rl/checkpoint/tensor_file.h"

namespace cohort::rl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kTensors[] = "state.tensors";
constexpr char kScalars[] = "state.json";

// N of "step-N"; -1 for every other name.
int64_t StepOf(const fs::path& folder) {
  const std::string name = folder.filename().string();
  int64_t step = -1;
  if (!name.starts_with("step-")) return -1;
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + 5, end, step);
  return result.ec == std::errc() && result.ptr == end ? step : -1;
}

// Finished checkpoints, newest first.
std::vector<fs::path> Checkpoints(const fs::path& run_folder) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(run_folder / "checkpoints", none)) {
    if (entry.is_directory() && StepOf(entry.path()) >= 0) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end(),
            [](const fs::path& a, const fs::path& b) { return StepOf(a) > StepOf(b); });
  return found;
}

void Sync(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const int failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
  if (fd >= 0) close(fd);
  if (failed != 0) {
    throw Error(ErrorCode::kEnvironment,
                "cannot sync " + path.string() + ": " + std::strerror(failed),
                failed == ENOSPC ? "free some space; nothing that was saved before is lost" : "");
  }
}

// An entry for every file below folder/subfolder; makes them durable, folders included.
Manifest SyncFolder(const fs::path& folder, const fs::path& subfolder) {
  Manifest files;
  for (const auto& entry : fs::recursive_directory_iterator(folder / subfolder)) {
    Sync(entry.path());
    if (!entry.is_regular_file()) continue;
    files[entry.path().lexically_relative(folder).generic_string()] = {
        fs::file_size(entry.path()), base::FileChecksum(entry.path())};
  }
  Sync(folder / subfolder);
  return files;
}

void WriteContents(const fs::path& folder, const TrainingState& state,
                   const ExportModel& export_model) {
  Manifest manifest;
  const uint64_t tensors = WriteTensorFile(folder / kTensors, state.tensors);
  manifest[kTensors] = {fs::file_size(folder / kTensors), tensors};
  const std::string scalars = base::DumpJson(state.scalars);
  base::WriteFileDurably(folder / kScalars, scalars);
  manifest[kScalars] = {scalars.size(), base::Checksum(scalars)};
  if (export_model) {
    fs::create_directory(folder / "model");
    export_model(folder / "model");
    manifest.merge(SyncFolder(folder, "model"));
  }
  WriteManifest(folder, manifest);
}

// Puts the finished folder in place, in one step even where an older step-N stands there.
void MoveIntoPlace(const fs::path& temporary, const fs::path& folder) {
  if (fs::exists(folder)) {
    if (renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE) != 0) {
      fs::rename(folder, folder.string() + ".replaced.tmp");
      base::RenameDurably(temporary, folder);
      fs::remove_all(folder.string() + ".replaced.tmp");
      return;
    }
    Sync(folder.parent_path());
    fs::remove_all(temporary);
    return;
  }
  base::RenameDurably(temporary, folder);
}

std::string SetAside(const fs::path& folder) {
  fs::path bad = folder.string() + ".bad";
  for (int i = 2; fs::exists(bad); ++i) bad = folder.string() + ".bad-" + std::to_string(i);
  base::RenameDurably(folder, bad);
  return bad.filename().string();
}

}  // namespace

void SaveCheckpoint(const fs::path& run_folder, int64_t step, const TrainingState& state,
                    const ExportModel& export_model) {
  const fs::path folder = CheckpointFolder(run_folder, step);
  const fs::path temporary = folder.string() + ".tmp";
  try {
    fs::create_directories(folder.parent_path());
    fs::remove_all(temporary);
    fs::create_directory(temporary);
    WriteContents(temporary, state, export_model);
    Sync(temporary);
    MoveIntoPlace(temporary, folder);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    const auto* ours = dynamic_cast<const Error*>(&error);
    throw Error(ours != nullptr ? ours->code() : ErrorCode::kEnvironment,
                "cannot save the checkpoint of step " + std::to_string(step) + ": " +
                    base::MessageOf(error),
                ours != nullptr && !ours->hint().empty()
                    ? ours->hint()
                    : "the checkpoints before it are intact; the same command goes on from there");
  }
}

void PruneCheckpoints(const fs::path& run_folder, int keep, std::optional<int64_t> kept_step) {
  const std::vector<fs::path> found = Checkpoints(run_folder);
  int kept = 0;
  for (const fs::path& folder : found) {
    if (kept < std::max(keep, 2)) {
      if (fs::exists(folder / kManifestFile)) ++kept;
      continue;
    }
    if (StepOf(folder) == kept_step) continue;
    // Renamed first: a half-deleted folder must not look like a checkpoint.
    const fs::path doomed = folder.string() + ".tmp";
    fs::rename(folder, doomed);
  }
  std::error_code none;
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(run_folder / "checkpoints", none)) {
    if (entry.path().extension() == ".tmp") leftovers.push_back(entry.path());
  }
  for (const fs::path& leftover : leftovers) fs::remove_all(leftover);
}

CheckpointSearch FindNewestCheckpoint(const fs::path& run_folder) {
  CheckpointSearch search;
  for (const fs::path& folder : Checkpoints(run_folder)) {
    try {
      search.newest = ReadCheckpoint(folder);
      break;
    } catch (const std::exception& fault) {
      const std::string aside = SetAside(folder);
      search.warnings.push_back("checkpoint " + folder.string() + " is damaged (" +
                                base::MessageOf(fault) + "); it is now " + aside +
                                ", an older one is used");
    }
  }
  return search;
}

std::vector<int64_t> CheckpointSteps(const fs::path& run_folder) {
  std::vector<int64_t> steps;
  for (const fs::path& folder : Checkpoints(run_folder)) steps.push_back(StepOf(folder));
  return steps;
}

LoadedCheckpoint ReadCheckpoint(const fs::path& folder) {
  LoadedCheckpoint loaded;
  loaded.step = StepOf(folder);
  loaded.folder = folder;
  const Manifest manifest = ReadManifest(folder);
  for (const auto& [name, entry] : manifest) {
    if (name == kTensors) {
      loaded.state.tensors = ReadTensors(ReadVerified(folder, name, entry), name);
    } else if (name == kScalars) {
      loaded.state.scalars = json::parse(ReadVerified(folder, name, entry));
    } else {
      Verify(folder, name, entry);  // a model's file is never in memory whole
    }
  }
  for (const char* name : {kTensors, kScalars}) {
    if (!manifest.contains(name)) {
      throw Error(ErrorCode::kUsage, std::string("manifest.json does not list ") + name);
    }
  }
  return loaded;
}

bool HoldsCheckpoints(const fs::path& run_folder) {
  std::error_code none;  // no folder: nothing in it
  const fs::directory_iterator entries(run_folder / "checkpoints", none);
  return std::any_of(begin(entries), end(entries),
                     [](const auto& entry) { return entry.path().extension() != ".tmp"; });
}

fs::path CheckpointFolder(const fs::path& run_folder, int64_t step) {
  return run_folder / "checkpoints" / ("step-" + std::to_string(step));
}

std::string CheckpointFault(const fs::path& folder) {
  try {
    ReadCheckpoint(folder);
    return "";
  } catch (const std::exception& fault) {
    return base::MessageOf(fault);
  }
}

}  // namespace cohort::rl
