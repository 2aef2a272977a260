#pragma once

// A persistent pool for many short parallel loops (tens of thousands a second). Between loops a
// worker spins for some tens of microseconds, then sleeps. A worker that the system has descheduled
// never holds a loop up: whoever is awake takes the tasks.

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace cohort::kernels {

// One loop at a time: ParallelFor is called from one thread and not from inside a task.
class ThreadPool {
 public:
  explicit ThreadPool(int num_threads);  // 0: all cores. std::invalid_argument when negative
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(task, worker) for task in [0, num_tasks), worker in [0, size()); returns when all
  // are done. Which worker takes a task is open, so a result must not depend on it. Rethrows a
  // task's exception.
  template <class Body>
  void ParallelFor(int64_t num_tasks, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    Run(
        num_tasks,
        [](void* context, int64_t task, int worker) {
          (*static_cast<Plain*>(context))(task, worker);
        },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using TaskFunction = void (*)(void* context, int64_t task, int worker);

  void Run(int64_t num_tasks, TaskFunction function, void* context);
  bool TakeAndRunOne(int worker);  // false: no task left
  void WorkerLoop(int worker);

  // High 32 bits: loop number; low 32 bits: tasks not yet taken. Taking a task is one
  // compare-exchange, and the job's fields below cannot change before every taken task has
  // finished.
  std::atomic<uint64_t> ticket_{0};
  std::atomic<int64_t> unfinished_{0};
  std::atomic<uint32_t> wake_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};
  TaskFunction function_ = nullptr;
  void* context_ = nullptr;
  int64_t num_tasks_ = 0;
  std::mutex error_mutex_;
  std::exception_ptr error_;
  std::vector<std::thread> workers_;
};

}  // namespace cohort::kernels
