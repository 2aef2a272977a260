#include "rl/rollouts/fleet_rollouts.h"

#include <unistd.h>

#include <chrono>
#include <utility>

#include "base/durable_file.h"
#include "base/random_hex.h"
#include "base/rpc_token.h"
#include "policy/prompt_encoding.h"
#include "rl/recipe/recipe.h"
#include "rollout/weight_sync/handshake.h"

namespace cohort::rl {
namespace {

rollout::Sampling TrainingSampling(const FleetOptions& options, const policy::Model& model) {
  rollout::Sampling sampling;
  sampling.temperature = options.rollout.temperature();
  sampling.top_k = options.rollout.top_k();
  sampling.top_p = options.rollout.top_p();
  sampling.max_new_tokens = options.rollout.max_new_tokens();
  sampling.stop_ids = StopIds(model);
  sampling.seed = options.seed;
  return sampling;
}

// One that cannot be read is refused here rather than by every call.
std::filesystem::path TokenFile(const proto::Rollout& rollout) {
  const std::filesystem::path file = rollout.token_file();
  if (!file.empty()) base::ReadToken(file);
  return file;
}

// This process's start of the run: the workers serve it alone.
rollout::v1::RunStart StartOf(const std::string& run_id) {
  using std::chrono::milliseconds, std::chrono::system_clock;
  const auto since_1970 = system_clock::now().time_since_epoch();
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  rollout::v1::RunStart start;
  start.set_run_id(run_id.empty() ? base::RandomHex(16) : run_id);
  start.set_started_ms(std::chrono::duration_cast<milliseconds>(since_1970).count());
  start.set_host(host);
  start.set_pid(getpid());
  return start;
}

RolloutWorkersOptions WorkersOptions(const FleetOptions& fleet, const policy::Model& model,
                                     const std::filesystem::path& folder,
                                     const Programs& programs) {
  const std::filesystem::path config = folder / "worker_config.json";
  base::WriteFileDurably(config,
                         policy::ConfigToJson(model.config, policy::Dtype::kFloat32).dump(2));
  const proto::Rollout& rollout = fleet.rollout;
  RolloutWorkersOptions options;
  options.program = programs.rollout;
  options.config = config;
  options.num_local = rollout.workers();
  options.threads = fleet.threads;
  options.dtype = rollout.dtype() == proto::Rollout::DTYPE_BFLOAT16 ? policy::Dtype::kBFloat16
                                                                    : policy::Dtype::kFloat32;
  options.numerics = fleet.numerics;
  options.deterministic = fleet.deterministic;
  options.kv_cache_bytes = int64_t{rollout.kv_cache_mb()} << 20;
  options.addresses = {rollout.addresses().begin(), rollout.addresses().end()};
  options.token_file = TokenFile(rollout);
  if (model.tokenizer != nullptr && !options.addresses.empty()) {
    options.vocabulary_checksum = ::cohort::rollout::VocabularyChecksum(*model.tokenizer);
  }
  options.log_folder = folder / "logs";
  std::filesystem::create_directories(options.log_folder);
  return options;
}

RewardServicesOptions RewardOptions(const proto::Rollout& rollout,
                                    const std::filesystem::path& folder, const Programs& programs) {
  RewardServicesOptions options;
  options.program = programs.reward;
  options.num_local = rollout.reward_services();
  options.allow_weak_sandbox = rollout.allow_weak_sandbox();
  options.addresses = {rollout.reward_addresses().begin(), rollout.reward_addresses().end()};
  options.token_file = TokenFile(rollout);
  options.log_folder = folder / "logs";
  return options;
}

CollectorOptions CollectOptions(const proto::Rollout& rollout, const policy::Model& model,
                                const rollout::v1::RunStart& run) {
  const auto milliseconds = [](double seconds) { return static_cast<int64_t>(seconds * 1000); };
  CollectorOptions options;
  options.scoring.sample_deadline_ms =
      static_cast<uint32_t>(milliseconds(rollout.reward_deadline_s()));
  options.sampling.deadline = std::chrono::milliseconds(milliseconds(rollout.step_deadline_s()));
  options.sampling.run = ::cohort::rollout::NameOf(run);
  options.sampling.vocab_size = model.config.vocab_size;
  options.sampling.routing = policy::RoutingFormatOf(model.config);
  return options;
}

}  // namespace

Programs FindPrograms() {
  const std::filesystem::path folder =
      std::filesystem::read_symlink("/proc/self/exe").parent_path();
  return {folder / "cohort-rollout", folder / "cohort-reward"};
}

FleetOptions ToFleetOptions(const proto::Recipe& recipe) {
  return {recipe.rollout(),      {recipe.rewards().begin(), recipe.rewards().end()},
          recipe.seed(),         recipe.threads(),
          /*run_id=*/"",         LearnerNumerics(recipe.optimizer()),
          recipe.deterministic()};
}

FleetRollouts::FleetRollouts(const FleetOptions& options, const policy::Model& model,
                             const std::filesystem::path& folder, const Programs& programs)
    : sampling_(TrainingSampling(options, model)),
      run_(StartOf(options.run_id)),
      workers_([&] {
        RolloutWorkersOptions workers = WorkersOptions(options, model, folder, programs);
        workers.run = run_;
        return workers;
      }()),
      rewards_(RewardOptions(options.rollout, folder, programs)),
      collector_(
          workers_.pool(), rewards_.pool(), environment_, options.rewards,
          [&model](std::span<const int32_t> ids) {
            return DecodeCompletion(model, std::vector<int32_t>(ids.begin(), ids.end()));
          },
          CollectOptions(options.rollout, model, run_)) {
  workers_.pool().AwaitLocal();
  rewards_.pool().AwaitLocal();
}

FleetRollouts::~FleetRollouts() {
  workers_.RequestStop();
  rewards_.pool().RequestStop();
}

CollectedGroups FleetRollouts::Collect(std::vector<EpisodeGroup> groups,
                                       const rollout::Sampling& sampling) {
  CollectedGroups collected =
      collector_.Collect(std::move(groups), sampling, workers_.published_version());
  const uint32_t restarts = workers_.pool().restarts() + rewards_.pool().restarts();
  collected.stats.restarts = restarts - std::exchange(counted_restarts_, restarts);
  return collected;
}

}  // namespace cohort::rl
