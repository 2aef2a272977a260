#include "rl/checkpoint/provenance.h"

#include <torch/version.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/durable_file.h"

namespace cohort::rl {
namespace {

using nlohmann::json;

std::string UtcNow() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

void WriteProvenance(const std::filesystem::path& path, const proto::Recipe& recipe,
                     const std::vector<std::string>& command_line, bool resuming) {
  json provenance;
  if (resuming && std::filesystem::exists(path)) {
    provenance = json::parse(base::ReadFile(path), nullptr, false);
  }
  if (provenance.is_object()) {
    provenance["resumed"].push_back(
        {{"at", UtcNow()}, {"command_line", command_line}, {"version", COHORT_VERSION}});
  } else {
    const auto cores = std::thread::hardware_concurrency();
    provenance = {{"version", COHORT_VERSION},
                  {"build_type", COHORT_BUILD_TYPE},
                  {"libtorch", TORCH_VERSION},
                  {"command_line", command_line},
                  {"seed", recipe.seed()},
                  {"threads", recipe.threads() > 0 ? recipe.threads() : static_cast<int>(cores)},
                  {"started_at", UtcNow()},
                  {"resumed", json::array()}};
  }
  base::WriteFileDurably(path, provenance.dump(2) + "\n");
}

}  // namespace cohort::rl
