#include "policy/tensor/tensor_memory.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>
#include <vector>

namespace cohort::policy {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

at::Tensor OfSize(int64_t bytes) { return torch::empty({bytes}, at::kByte); }

class TensorMemory : public testing::Test {
 protected:
  TensorMemory() { KeepTensorMemory(size_t{64} << 20); }
};

TEST_F(TensorMemory, GivesAFreedBlockToTheNextTensorOfThatSize) {
  at::Tensor first = OfSize(5 * kMiB);
  const void* place = first.data_ptr();
  first.reset();
  EXPECT_EQ(OfSize(5 * kMiB - 3).data_ptr(), place);
}

// Pages of the process that are in memory, in bytes.
int64_t Resident() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST_F(TensorMemory, KeepsNoMoreThanItsBound) {
  const int64_t before = Resident();
  {
    std::vector<at::Tensor> tensors;
    for (int i = 0; i < 32; ++i) tensors.push_back(torch::ones({8 * kMiB}, at::kByte));
    EXPECT_GT(Resident(), before + 200 * kMiB);
  }
  EXPECT_LT(Resident(), before + 64 * kMiB + 40 * kMiB) << "64 MiB may be kept";
}

// Sizes that no kept block fits: what was freed goes before more is taken.
TEST_F(TensorMemory, IsNeverLargerThanTheTensorsWereAtOnce) {
  KeepTensorMemory(size_t{1} << 40);
  { const at::Tensor first = torch::ones({600 * kMiB}, at::kByte); }  // more than other tests
  const int64_t before = Resident();                                  // which is kept
  for (const int64_t size : {360, 180, 72, 450, 264}) {
    const at::Tensor next = torch::ones({size * kMiB}, at::kByte);
    EXPECT_LT(Resident(), before + 10 * kMiB) << size;
  }
}

TEST_F(TensorMemory, LivingTensorsNeverShareABlock) {
  std::vector<std::thread> threads;
  std::atomic<int> damaged = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, &damaged] {
      for (int round = 0; round < 50; ++round) {
        const at::Tensor mine = OfSize((1 + (round + t) % 5) * kMiB);
        mine.fill_(t + 1);
        std::this_thread::yield();
        if (!(mine == t + 1).all().item<bool>()) ++damaged;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(damaged, 0);
}

TEST_F(TensorMemory, AlignsSmallAndLargeTensorsForVectors) {
  for (const int64_t bytes : {int64_t{1}, int64_t{100}, kMiB - 1, kMiB, 3 * kMiB + 5}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(OfSize(bytes).data_ptr()) % 64, 0u) << bytes;
  }
}

}  // namespace
}  // namespace cohort::policy
