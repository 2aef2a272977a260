#include "kernels/cpu/thread_pool.h"

#include <sched.h>

#include <stdexcept>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cohort::kernels {

namespace {

constexpr int kSpins =
    2000;  // some tens of microseconds: longer than the gap between two loops of a step
constexpr uint64_t kCountMask = 0xffffffffu;

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

int UsableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  if (num_threads < 0) throw std::invalid_argument("ThreadPool: num_threads is negative");
  if (num_threads == 0) num_threads = UsableCores();
  for (int worker = 1; worker < num_threads; ++worker) {
    workers_.emplace_back([this, worker] { WorkerLoop(worker); });
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  wake_.fetch_add(1);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Run(int64_t num_tasks, TaskFunction function, void* context) {
  if (num_tasks <= 0) return;
  if (workers_.empty() || num_tasks == 1) {
    for (int64_t task = 0; task < num_tasks; ++task) function(context, task, 0);
    return;
  }
  if (num_tasks > static_cast<int64_t>(kCountMask)) {
    throw std::invalid_argument("ThreadPool: more than 2^32 - 1 tasks");
  }
  function_ = function;
  context_ = context;
  num_tasks_ = num_tasks;
  unfinished_.store(num_tasks, std::memory_order_relaxed);
  const uint64_t loop = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  ticket_.store(loop << 32 | static_cast<uint64_t>(num_tasks));
  wake_.fetch_add(1);
  if (sleepers_.load() > 0) wake_.notify_all();

  while (TakeAndRunOne(0)) {
  }
  for (int spin = 0; spin < kSpins && unfinished_.load(std::memory_order_acquire) > 0; ++spin)
    Pause();
  for (int64_t left; (left = unfinished_.load(std::memory_order_acquire)) > 0;)
    unfinished_.wait(left);
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

bool ThreadPool::TakeAndRunOne(int worker) {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  do {
    if ((ticket & kCountMask) == 0) return false;
  } while (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel,
                                          std::memory_order_acquire));
  try {
    function_(context_, num_tasks_ - static_cast<int64_t>(ticket & kCountMask), worker);
  } catch (...) {
    std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
  }
  if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
  return true;
}

void ThreadPool::WorkerLoop(int worker) {
  while (true) {
    // In this order: the destructor sets stop_, then wake_. A worker that looked at stop_ first
    // could take the last wake-up for one that it has seen, and sleep for ever.
    const uint32_t seen = wake_.load();
    if (stop_.load()) return;
    while (TakeAndRunOne(worker)) {
    }
    bool awake = false;
    for (int spin = 0; spin < kSpins && !awake; ++spin) {
      Pause();
      awake = wake_.load(std::memory_order_relaxed) != seen;
    }
    if (awake) continue;
    sleepers_.fetch_add(1);
    wake_.wait(seen);
    sleepers_.fetch_sub(1);
  }
}

}  // namespace cohort::kernels
