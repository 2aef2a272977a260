#include "rl/rollouts/collect_run.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/error.h"
#include "rl/fleet/interrupt.h"

namespace cohort::rl {
namespace {

constexpr std::chrono::milliseconds kWatch{100};
constexpr std::chrono::seconds kServed{1};
constexpr double kPatience = 2;  // seconds without progress after which an interrupt is not to wait

double Seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

CollectRun::CollectRun(WorkerPool& pool, const CollectInputs& inputs, std::vector<PromptTask> tasks)
    : pool_(pool), inputs_(inputs), policy_version_(pool.published_version()) {
  const int workers = std::max(1, pool.num_rollout_workers());
  groups_per_call_ = (tasks.size() + workers - 1) / workers;
  groups_.reserve(tasks.size());
  for (PromptTask& task : tasks) {
    const size_t group = groups_.size();
    if (!task.sample_ids.empty()) pending_.push_back({group, task.sample_ids});
    std::vector<Sample> samples(task.sample_ids.size());
    for (size_t i = 0; i < samples.size(); ++i) {
      samples[i].sample_id = task.sample_ids[i];
      const bool fresh = samples_.emplace(task.sample_ids[i], SampleState{group, i}).second;
      COHORT_CHECK(fresh, "sample ids are unique within a Collect");
    }
    groups_.push_back({std::move(task), std::move(samples)});
  }
}

std::vector<Group> CollectRun::Run(CollectStats* stats) {
  for (int i = 0; i < pool_.num_rollout_workers(); ++i) Spawn(DriveWorker(i));
  for (int i = 0; i < pool_.num_reward_services(); ++i) {
    for (int call = 0; call < inputs_.options.max_score_calls; ++call) Spawn(DriveScorer(i));
  }
  Spawn(Watch());
  io_.run();
  if (error_ != nullptr) std::rethrow_exception(error_);
  COHORT_CHECK(scored_ == samples_.size(), "a Collect ends with every sample");
  stats_.wall_seconds = Seconds(Clock::now() - start_);
  stats_.reward_seconds = stats_.wall_seconds - stats_.decode_seconds;
  if (stats != nullptr) *stats = stats_;
  return std::move(groups_);
}

void CollectRun::Spawn(Awaitable<void> coroutine) {
  boost::asio::co_spawn(io_, std::move(coroutine), [this](std::exception_ptr error) {
    if (error != nullptr) Stop(error);
  });
}

void CollectRun::Stop(std::exception_ptr error) {
  if (stopped_) return;
  stopped_ = true;
  error_ = error;
  for (const auto& [context, call] : running_) context->TryCancel();
  changed_.NotifyAll();
}

void CollectRun::FinishSample(SampleState& state) {
  state.scored = true;
  last_progress_ = Clock::now();
  if (++scored_ == samples_.size()) changed_.NotifyAll();
}

// Gives up calls to processes that are gone, and the whole Collect when nobody serves for too long.
CollectRun::Awaitable<void> CollectRun::Watch() {
  while (!Finished()) {
    for (const auto& [context, call] : running_) {
      const Endpoint now =
          call.rollout ? pool_.rollout_worker(call.index) : pool_.reward_service(call.index);
      if (now.incarnation != call.endpoint.incarnation) context->TryCancel();
    }
    CheckServices();
    co_await changed_.Wait(kWatch);
  }
}

void CollectRun::CheckServices() {
  const auto all_failed = [](int count, const auto& endpoint_of, std::string* failure) {
    for (int i = 0; i < count; ++i) {
      *failure = endpoint_of(i).failure;
      if (failure->empty()) return false;
    }
    return true;
  };
  std::string failure = "there is no rollout worker";
  if (sampled_ < samples_.size() &&
      all_failed(
          pool_.num_rollout_workers(), [&](int i) { return pool_.rollout_worker(i); }, &failure)) {
    throw Error(ErrorCode::kUnavailable, failure);
  }
  failure = "there is no reward service";
  if (!inputs_.terms.empty() &&
      all_failed(
          pool_.num_reward_services(), [&](int i) { return pool_.reward_service(i); }, &failure)) {
    throw Error(ErrorCode::kUnavailable, failure);
  }
  // A call that runs has a deadline of its own; one that is refused at once does not run.
  for (const auto& [context, call] : running_) {
    if (Clock::now() - call.start > kServed) last_progress_ = Clock::now();
  }
  const double idle_seconds = Seconds(Clock::now() - last_progress_);
  if (InterruptRequested() && idle_seconds > kPatience) {
    throw Error(ErrorCode::kInterrupted, "stopped while nobody serves",
                "the same command goes on from the last checkpoint");
  }
  if (idle_seconds > inputs_.options.no_service_seconds) {
    const bool sampling = !pending_.empty();
    throw Error(ErrorCode::kUnavailable,
                std::string(sampling ? "no rollout worker" : "no reward service") +
                    " has served for " + std::to_string(inputs_.options.no_service_seconds) + " s",
                "the run folder's logs/ say why; the run can be resumed");
  }
}

}  // namespace cohort::rl
