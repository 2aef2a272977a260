#pragma once

#include <cstdint>
#include <functional>

namespace cohort::policy {

// Calls task(0) .. task(count - 1) on LibTorch's threads, each to whichever is free, and returns
// when all are done. Inside another parallel loop: on the calling thread. Rethrows
// what a task throws; others may run nevertheless.
void RunTasks(int64_t count, const std::function<void(int64_t)>& task);

}  // namespace cohort::policy
