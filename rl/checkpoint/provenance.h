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

// Writes provenance.json: an id that no other run has, version, build type, LibTorch's version,
// processor, class of products, command line, seed, threads of each part, start time (UTC),
// checksums of the inputs. A resumed run keeps what is there and adds
// {"at", "command_line", "version", "processor", "numerics", "changes"} to "resumed".
void WriteProvenance(const std::filesystem::path& path, const proto::Recipe& recipe,
                     const std::vector<std::string>& command_line, const ResumeRecord& resume);

// Sets one key of the provenance.json that is there.
void AddToProvenance(const std::filesystem::path& path, const std::string& key,
                     const nlohmann::json& value);

// The machine and the inputs of a run, from its provenance.json; empty where it does not say.
struct RecordedRun {
  std::string run_id;     // kept when the run is resumed
  std::string processor;  // bits may differ between kinds of processors
  std::string numerics;   // and do between classes of products
  InputChecksums inputs;
};
RecordedRun ReadProvenance(const std::filesystem::path& path);
// This machine's: the model name of /proc/cpuinfo.
std::string ThisProcessor();
// The class that it computes the recipe's products in.
std::string ThisNumerics(const proto::Recipe& recipe);

// The bits of a step depend on these, besides its inputs.
struct Platform {
  std::string processor;
  int threads = 0;  // of LibTorch
  std::string version, libtorch;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Platform, processor, threads, version, libtorch)
};
Platform ThisPlatform();

}  // namespace cohort::rl
