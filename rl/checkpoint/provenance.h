#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rl/checkpoint/inputs.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

struct ResumeRecord {
  bool resuming = false;
  InputChecksums inputs;
  std::vector<std::string> changes;  // of the recipe, taken on request
};

// Writes provenance.json: version, build type, LibTorch's version, processor, command line, seed,
// threads, start time (UTC), checksums of the inputs. A resumed run keeps what is there and adds
// {"at", "command_line", "version", "processor", "changes"} to "resumed".
void WriteProvenance(const std::filesystem::path& path, const proto::Recipe& recipe,
                     const std::vector<std::string>& command_line, const ResumeRecord& resume);

// Sets one key of the provenance.json that is there.
void AddToProvenance(const std::filesystem::path& path, const std::string& key,
                     const nlohmann::json& value);

// What a run's provenance.json says of where and from what it was made; empty where it does not.
struct RecordedRun {
  std::string processor;  // bits may differ between kinds of processors
  InputChecksums inputs;
};
RecordedRun ReadProvenance(const std::filesystem::path& path);
// This machine's: the model name of /proc/cpuinfo.
std::string ThisProcessor();

}  // namespace cohort::rl
