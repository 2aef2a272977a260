#include "policy/tensor/parallel_tasks.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>

#if !defined(_OPENMP) && !defined(__clang__)  // Clang builds the fuzz targets alone
#error "at::parallel_for is a template: without -fopenmp it would run on one thread"
#endif

namespace cohort::policy {

void RunTasks(int64_t count, const std::function<void(int64_t)>& task) {
  const int64_t threads = std::min<int64_t>(count, at::get_num_threads());
  if (threads <= 1 || at::in_parallel_region()) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  std::atomic<int64_t> next{0};
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) task(i);
  });
}

}  // namespace cohort::policy
