#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace cohort::policy {

// Calls task(0) .. task(count - 1) on LibTorch's threads, each to whichever is free, and returns
// when all are done. Inside another parallel loop: on the calling thread. Rethrows
// what a task throws; others may run nevertheless.
void RunTasks(int64_t count, const std::function<void(int64_t)>& task);

// Rows that one task goes along: enough to be worth its start.
constexpr int64_t kRowsPerTask = 64;

// Calls row(0) .. row(rows - 1) by RunTasks, kRowsPerTask neighbours a task.
template <class Row>
void ForEachRow(int64_t rows, const Row& row) {
  RunTasks((rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
    const int64_t end = std::min((task + 1) * kRowsPerTask, rows);
    for (int64_t i = task * kRowsPerTask; i < end; ++i) row(i);
  });
}

}  // namespace cohort::policy
