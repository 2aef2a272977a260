#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace cohort::kernels {
namespace {

TEST(ThreadPool, RunsEveryTaskOnceOverManyLoops) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    for (int loop = 0; loop < 3000; ++loop) {
      const int tasks = loop % 9;
      std::vector<std::atomic<int>> runs(9);
      pool.ParallelFor(tasks, [&](int64_t task, int worker) {
        if (worker >= 0 && worker < threads) runs[static_cast<size_t>(task)].fetch_add(1);
      });
      for (int task = 0; task < 9; ++task)
        ASSERT_EQ(runs[static_cast<size_t>(task)], task < tasks ? 1 : 0);
    }
  }
}

TEST(ThreadPool, WakesUpAfterSleeping) {
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> sum = 0;
    pool.ParallelFor(50, [&](int64_t task, int) { sum += static_cast<int>(task); });
    EXPECT_EQ(sum, 1225);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TEST(ThreadPool, EndsWhateverItsWorkersAreAbout) {
  for (int round = 0; round < 20'000; ++round) {
    ThreadPool pool(3);
    pool.ParallelFor(round % 3, [](int64_t, int) {});
  }
}

TEST(ThreadPool, HandsATasksExceptionToTheCallerAndGoesOn) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.ParallelFor(20,
                                [](int64_t task, int) {
                                  if (task == 7) throw std::runtime_error("seven");
                                }),
               std::runtime_error);
  std::atomic<int> runs = 0;
  pool.ParallelFor(20, [&](int64_t, int) { ++runs; });
  EXPECT_EQ(runs, 20);
}

TEST(ThreadPool, RefusesANegativeSize) { EXPECT_THROW(ThreadPool(-1), std::invalid_argument); }

}  // namespace
}  // namespace cohort::kernels
