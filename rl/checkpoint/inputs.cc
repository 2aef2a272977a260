#include "rl/checkpoint/inputs.h"

#include <cinttypes>
#include <cstdio>
#include <filesystem>

#include "base/durable_file.h"
#include "policy/locate_model.h"

namespace cohort::rl {
namespace {

namespace fs = std::filesystem;

constexpr char kRewards[] = "rewards[";

void Add(const std::string& key, const fs::path& path, InputChecksums* inputs) {
  std::error_code none;
  if (!fs::is_regular_file(path, none)) return;
  char text[32];
  std::snprintf(text, sizeof(text), "%016" PRIx64, base::FileChecksum(path));
  (*inputs)[key + " (" + path.filename().string() + ")"] = text;
}

bool BelongsToModel(const fs::path& file) {
  const std::string extension = file.extension().string();
  return extension == ".json" || extension == ".safetensors" || extension == ".jinja" ||
         extension == ".gguf";
}

}  // namespace

InputChecksums ChecksumInputs(const proto::Recipe& recipe) {
  InputChecksums inputs;
  Add("data.train", recipe.data().train(), &inputs);
  Add("data.test", recipe.data().test(), &inputs);
  for (int i = 0; i < recipe.rewards_size(); ++i) {
    for (const auto& [option, value] : recipe.rewards(i).options()) {
      Add(kRewards + std::to_string(i) + "]." + option, value, &inputs);
    }
  }
  const fs::path model = recipe.model().path();
  std::error_code none;
  if (fs::is_directory(model, none)) {
    for (const auto& entry : fs::directory_iterator(policy::LocateModel(model), none)) {
      if (BelongsToModel(entry.path())) Add("model.path", entry.path(), &inputs);
    }
  } else {
    Add("model.path", model, &inputs);
  }
  return inputs;
}

std::vector<std::string> ChangedInputs(const InputChecksums& before, const InputChecksums& now) {
  std::vector<std::string> changed;
  for (const auto& [key, checksum] : now) {
    const auto found = before.find(key);
    if (found != before.end() && found->second != checksum) changed.push_back(key);
  }
  return changed;
}

bool IsRewardInput(const std::string& key) { return key.starts_with(kRewards); }

}  // namespace cohort::rl
