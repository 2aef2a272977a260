#include "rl/run/fleet.h"

#include <chrono>
#include <utility>

#include "base/durable_file.h"
#include "base/error.h"
#include "policy/prompt_encoding.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

WorkerPoolOptions PoolOptions(const proto::Recipe& recipe, const policy::Model& model,
                              const std::filesystem::path& folder, const Programs& programs) {
  const std::filesystem::path config = folder / "worker_config.json";
  base::WriteFileDurably(config, policy::ConfigToJson(model.config, "float32").dump(2));
  const proto::Rollout& rollout = recipe.rollout();
  WorkerPoolOptions options;
  options.rollout_program = programs.rollout;
  options.reward_program = programs.reward;
  options.num_rollout_workers = rollout.workers();
  options.num_reward_services = rollout.reward_services();
  options.allow_weak_sandbox = rollout.allow_weak_sandbox();
  options.config = config;
  options.log_folder = folder / "logs";
  options.threads = recipe.threads();
  options.dtype = WordOf(rollout.dtype());
  options.kv_cache_bytes = int64_t{rollout.kv_cache_mb()} << 20;
  options.rollout_addresses = {rollout.addresses().begin(), rollout.addresses().end()};
  options.reward_addresses = {rollout.reward_addresses().begin(), rollout.reward_addresses().end()};
  std::filesystem::create_directories(options.log_folder);
  return options;
}

rollout::Sampling TrainingSampling(const proto::Recipe& recipe, const policy::Model& model) {
  rollout::Sampling sampling;
  sampling.temperature = recipe.rollout().temperature();
  sampling.top_k = recipe.rollout().top_k();
  sampling.top_p = recipe.rollout().top_p();
  sampling.max_new_tokens = recipe.rollout().max_new_tokens();
  sampling.stop_ids = StopIds(model);
  sampling.seed = recipe.seed();
  return sampling;
}

CollectorOptions CollectOptions(const proto::Recipe& recipe) {
  CollectorOptions options;
  options.sample_deadline_ms = static_cast<uint32_t>(recipe.rollout().reward_deadline_s() * 1000);
  options.generate_deadline_seconds = recipe.rollout().step_deadline_s();
  return options;
}

}  // namespace

Programs FindPrograms() {
  const std::filesystem::path folder =
      std::filesystem::read_symlink("/proc/self/exe").parent_path();
  return {folder / "cohort-rollout", folder / "cohort-reward"};
}

Fleet::Fleet(const proto::Recipe& recipe, const policy::Model& model,
             const std::filesystem::path& folder, const Programs& programs)
    : recipe_(recipe),
      model_(model),
      sampling_(TrainingSampling(recipe, model)),
      terms_(recipe.rewards().begin(), recipe.rewards().end()),
      pool_(PoolOptions(recipe, model, folder, programs)) {
  pool_.Start();
  collector_ = std::make_unique<Collector>(
      pool_, CollectOptions(recipe), [&model](std::span<const int32_t> ids) {
        return DecodeCompletion(model, std::vector<int32_t>(ids.begin(), ids.end()));
      });
}

double Fleet::Publish(const policy::WeightMap& weights, int64_t version) {
  if (version == published_version_) return 0;
  const auto start = std::chrono::steady_clock::now();
  pool_.Publish(weights, version);
  published_version_ = version;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<Group> Fleet::Collect(std::vector<PromptTask> tasks, CollectStats* stats) {
  std::vector<Group> groups = collector_->Collect(std::move(tasks), sampling_, terms_, stats);
  const uint32_t restarts = pool_.restarts();  // between two steps too
  if (stats != nullptr)
    stats->worker_restarts = restarts - std::exchange(counted_restarts_, restarts);
  return groups;
}

Evaluation Fleet::Evaluate(const std::vector<Problem>& problems, double temperature,
                           int samples_per_problem) {
  rollout::Sampling sampling = sampling_;
  sampling.temperature = temperature;
  if (recipe_.eval().max_new_tokens() > 0) {
    sampling.max_new_tokens = recipe_.eval().max_new_tokens();
  }
  return rl::Evaluate(*collector_, {model_, problems, sampling, terms_, recipe_.eval().examples(),
                                    samples_per_problem});
}

}  // namespace cohort::rl
