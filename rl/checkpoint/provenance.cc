#include "rl/checkpoint/provenance.h"

#include <ATen/Parallel.h>
#include <torch/version.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/durable_file.h"
#include "base/random_hex.h"
#include "base/utc_now.h"
#include "kernels/cpu/ops.h"
#include "rl/recipe/recipe.h"
#include "rl/recipe/thread_budget.h"

namespace cohort::rl {
namespace {

using nlohmann::json;

}  // namespace

std::string ThisProcessor() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string ThisNumerics(const proto::Recipe& recipe) {
  return kernels::NumericsName(LearnerNumerics(recipe.optimizer()));
}

Platform ThisPlatform() {
  return {ThisProcessor(), at::get_num_threads(), COHORT_VERSION, TORCH_VERSION};
}

RecordedRun ReadProvenance(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return {};
  const json provenance = json::parse(base::ReadFile(path), nullptr, false);
  if (!provenance.is_object()) return {};
  return {provenance.value("run_id", std::string()), provenance.value("processor", std::string()),
          provenance.value("numerics", std::string()),
          provenance.value("inputs", InputChecksums())};
}

void WriteProvenance(const std::filesystem::path& path, const proto::Recipe& recipe,
                     const std::vector<std::string>& command_line, const ResumeRecord& resume) {
  json provenance;
  if (resume.resuming && std::filesystem::exists(path)) {
    provenance = json::parse(base::ReadFile(path), nullptr, false);
  }
  if (provenance.is_object()) {
    provenance["resumed"].push_back({{"at", base::UtcNow()},
                                     {"command_line", command_line},
                                     {"version", COHORT_VERSION},
                                     {"processor", ThisProcessor()},
                                     {"numerics", ThisNumerics(recipe)},
                                     {"changes", resume.changes}});
  } else {
    const ThreadBudget threads = ThreadsOf(recipe);
    provenance = {{"version", COHORT_VERSION},
                  {"build_type", COHORT_BUILD_TYPE},
                  {"libtorch", TORCH_VERSION},
                  {"processor", ThisProcessor()},
                  {"instruction_set", kernels::IsaName(kernels::BestOps().isa)},
                  {"numerics", ThisNumerics(recipe)},
                  {"master_weights", recipe.optimizer().masters()},
                  {"command_line", command_line},
                  {"seed", recipe.seed()},
                  {"threads", threads.learner},
                  {"thread_budget", Describe(threads)},
                  {"started_at", base::UtcNow()},
                  {"resumed", json::array()}};
  }
  if (!provenance.contains("run_id")) provenance["run_id"] = base::RandomHex(16);
  provenance["inputs"] = resume.inputs;
  base::WriteFileDurably(path, provenance.dump(2) + "\n");
}

void AddToProvenance(const std::filesystem::path& path, const std::string& key, const json& value) {
  json provenance = json::parse(base::ReadFile(path), nullptr, false);
  if (!provenance.is_object() || provenance.value(key, json()) == value) return;
  provenance[key] = value;
  base::WriteFileDurably(path,
                         provenance.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

}  // namespace cohort::rl
