#pragma once

// Machines that `cohort plan` computes with.

#include <string>

namespace cohort::rl {

// Rates of one device at best; what a program reaches is less.
struct Machine {
  std::string name;
  double read_bytes_per_s = 0;  // of memory
  double memory_bytes = 0;
  double fp32_flops = 0;  // per second, multiply and add counted as two
  double bf16_flops = 0;
  double fp8_flops = 0;
  double dollars_per_hour = 0;
  std::string source;  // of the numbers above
};

// "h100", "h200", "h800": data sheet values of the SXM modules, dense. "cpu": this machine,
// measured now (kernels/cpu/machine_rates.h; takes about a second). kUsage for another name.
Machine FindMachine(const std::string& name);

}  // namespace cohort::rl
