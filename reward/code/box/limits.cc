#include "reward/code/box/limits.h"

#include "base/error.h"
#include "base/nearest_name.h"

namespace cohort::reward::judge {

const std::vector<LimitField>& LimitFields() {
  static const std::vector<LimitField> fields = {
      {"wall_ms", &ProgramLimits::wall_ms, 10, 600'000, "wall time of a test"},
      {"cpu_ms", &ProgramLimits::cpu_ms, 10, 600'000,
       "CPU time of a test, all its processes together"},
      {"memory_mb", &ProgramLimits::memory_mb, 16, 1 << 20,
       "memory, all processes together, in MiB"},
      {"pids", &ProgramLimits::pids, 1, 4096, "processes and threads"},
      {"stdout_bytes", &ProgramLimits::stdout_bytes, 1, int64_t{1} << 28, "output of a test"},
      {"file_mb", &ProgramLimits::file_mb, 1, 1 << 16, "files in the private folder, in MiB"},
      {"open_files", &ProgramLimits::open_files, 16, 1 << 16, "open files of a process"},
      {"compile_wall_ms", &ProgramLimits::compile_wall_ms, 100, 600'000,
       "wall time of the compiler"},
      {"compile_memory_mb", &ProgramLimits::compile_memory_mb, 64, 1 << 20,
       "memory of the compiler, in MiB"},
  };
  return fields;
}

ProgramLimits LimitsOf(const Options& options) {
  ProgramLimits limits;
  for (const LimitField& field : LimitFields()) {
    limits.*field.member = options.Integer(field.name, limits.*field.member, field.min, field.max);
  }
  return limits;
}

void ReadLimits(const nlohmann::json& column, ProgramLimits* limits) {
  if (!column.is_object()) {
    throw Error(ErrorCode::kUsage, "'limits' is no object of names and numbers");
  }
  for (const auto& [name, value] : column.items()) {
    const LimitField* known = nullptr;
    std::vector<std::string> names;
    for (const LimitField& field : LimitFields()) {
      names.push_back(field.name);
      if (name == field.name) known = &field;
    }
    if (known == nullptr) {
      throw Error(ErrorCode::kUsage, "'limits' has an unknown name '" + name.substr(0, 40) + "'" +
                                         base::DidYouMean(name.substr(0, 40), names));
    }
    const bool whole = value.is_number_integer();
    const int64_t number = whole ? value.get<int64_t>() : -1;
    if (!whole || number < known->min || number > known->max) {
      throw Error(ErrorCode::kUsage, "limits." + name + " is not a whole number from " +
                                         std::to_string(known->min) + " to " +
                                         std::to_string(known->max));
    }
    limits->*known->member = number;
  }
}

}  // namespace cohort::reward::judge
