#include "rl/fleet/supervised_pool.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/error.h"

namespace cohort::rl {

int ShareOfCores(int wanted, int processes) {
  if (wanted > 0) return wanted;
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, cores / std::max(1, processes));
}

SupervisedPool::SupervisedPool(SupervisedPoolOptions options, ServiceKind& kind)
    : options_(std::move(options)) {
  for (int i = 0; i < options_.num_local; ++i) {
    const std::string name = options_.name + "-" + std::to_string(i);
    Start({name, options_.command, "", {}, options_.log_folder / (name + ".log")}, kind);
  }
  for (const std::string& address : options_.addresses) {
    Start({options_.remote_name + " " + address, {}, address, options_.token_file, {}}, kind);
  }
}

void SupervisedPool::Start(SupervisedService service, ServiceKind& kind) {
  supervisors_.push_back(std::make_unique<Supervisor>(std::move(service), kind, options_.limits,
                                                      sockets_.path(), [this] {
                                                        const std::lock_guard lock(mutex_);
                                                        changed_.notify_all();
                                                      }));
}

SupervisedPool::~SupervisedPool() {
  RequestStop();
  supervisors_.clear();
}

void SupervisedPool::RequestStop() {
  for (const auto& supervisor : supervisors_) supervisor->RequestStop();
}

void SupervisedPool::AwaitLocal() {
  const auto end = std::chrono::steady_clock::now() + options_.limits.start_deadline;
  while (true) {
    bool all = true;
    for (int i = 0; i < options_.num_local; ++i) {
      const std::string failure = endpoint(i).failure;
      if (!failure.empty()) throw Error(ErrorCode::kEnvironment, failure);
      all = all && answers(i);
    }
    if (all) return;
    if (std::chrono::steady_clock::now() >= end) {
      throw Error(ErrorCode::kEnvironment,
                  "the workers did not all answer within " +
                      std::to_string(options_.limits.start_deadline.count() / 1000) + " s",
                  "their logs are in " + options_.log_folder.string());
    }
    AwaitChange(std::chrono::milliseconds(20));
  }
}

uint32_t SupervisedPool::restarts() const {
  uint32_t restarts = 0;
  for (const auto& supervisor : supervisors_) restarts += supervisor->restarts();
  return restarts;
}

void SupervisedPool::LookNow() {
  for (const auto& supervisor : supervisors_) supervisor->LookNow();
}

void SupervisedPool::AwaitChange(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit);
}

}  // namespace cohort::rl
