#include "kernels/cpu/machine_rates.h"

#include <gtest/gtest.h>

namespace cohort::kernels {
namespace {

TEST(MachineRates, AreOfAPlausibleSize) {
  ThreadPool pool(1);
  const MachineRates rates = MeasureMachineRates(pool);
  EXPECT_GT(rates.read_gb_per_s, 0.1);
  EXPECT_LT(rates.read_gb_per_s, 2000);
  EXPECT_GT(rates.fma_gflop_per_s, 0.01);
  EXPECT_LT(rates.fma_gflop_per_s, 2000);
  EXPECT_GT(rates.bf16_gflop_per_s, 0.01);
  EXPECT_LT(rates.bf16_gflop_per_s, 4000);
}

}  // namespace
}  // namespace cohort::kernels
