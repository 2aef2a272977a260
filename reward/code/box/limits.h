#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "reward/options.h"

namespace cohort::reward::judge {

// Upper bounds of what a submission may use. Times and memory are per test, of all its processes
// together.
struct ProgramLimits {
  int64_t wall_ms = 4000;
  int64_t cpu_ms = 2000;
  int64_t memory_mb = 256;
  int64_t pids = 32;
  int64_t stdout_bytes = 1 << 20;
  int64_t file_mb = 64;      // one file, and all of them together
  int64_t open_files = 256;  // of one process
  int64_t compile_wall_ms = 15'000;
  int64_t compile_memory_mb = 1024;

  bool operator==(const ProgramLimits&) const = default;
};

// The names, in the order above; what an option and a column `limits` may hold.
struct LimitField {
  const char* name;
  int64_t ProgramLimits::*member;
  int64_t min;
  int64_t max;
  const char* meaning;
};
const std::vector<LimitField>& LimitFields();

// The reward's options of those names over the defaults.
ProgramLimits LimitsOf(const Options& options);

// A sample's column `limits` over `limits`. Throws Error{kUsage} for an unknown name or a value out
// of range.
void ReadLimits(const nlohmann::json& column, ProgramLimits* limits);

}  // namespace cohort::reward::judge
