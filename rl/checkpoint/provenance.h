#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Writes provenance.json: version, build type, LibTorch's version, command line, seed, threads,
// start time (UTC). With `resuming`, the first start stays and {"at", "command_line", "version"}
// joins "resumed".
void WriteProvenance(const std::filesystem::path& path, const proto::Recipe& recipe,
                     const std::vector<std::string>& command_line, bool resuming);

}  // namespace cohort::rl
