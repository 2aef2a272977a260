#include "rl/plan/machine.h"

#include <vector>

#include "base/available_memory.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "kernels/cpu/machine_rates.h"

namespace cohort::rl {
namespace {

constexpr double kTera = 1e12, kGiga = 1e9;

Machine Hopper(const std::string& name, double terabytes_per_s, double gigabytes) {
  return {.name = name,
          .read_bytes_per_s = terabytes_per_s * kTera,
          .memory_bytes = gigabytes * kGiga,
          .fp32_flops = 67 * kTera,
          .bf16_flops = 989 * kTera,
          .fp8_flops = 1979 * kTera,
          .dollars_per_hour = 2,
          .source = "data sheet of the SXM module, dense rates; $2 an hour as in arXiv 2412.19437"};
}

// The decoder multiplies in fp32 whatever the dtype that the weights are read in.
Machine ThisMachine() {
  kernels::ThreadPool pool(0);
  const kernels::MachineRates rates = kernels::MeasureMachineRates(pool);
  const double flops = rates.fma_gflop_per_s * kGiga;
  return {.name = "cpu",
          .read_bytes_per_s = rates.read_gb_per_s * kGiga,
          .memory_bytes = static_cast<double>(base::AvailableMemory()),
          .fp32_flops = flops,
          .bf16_flops = flops,
          .fp8_flops = flops,
          .dollars_per_hour = 0.05 * pool.size(),
          .source = "measured now with " + std::to_string(pool.size()) +
                    " threads, fp32 arithmetic; $0.05 an hour and thread assumed"};
}

}  // namespace

Machine FindMachine(const std::string& name) {
  if (name == "cpu") return ThisMachine();
  for (const Machine& machine :
       {Hopper("h100", 3.35, 80), Hopper("h200", 4.8, 141), Hopper("h800", 3.35, 80)}) {
    if (machine.name == name) return machine;
  }
  const std::vector<std::string> names = {"cpu", "h100", "h200", "h800"};
  throw Error(ErrorCode::kUsage, "no machine '" + name + "'" + base::DidYouMean(name, names),
              "--machine is one of cpu, h100, h200, h800");
}

}  // namespace cohort::rl
