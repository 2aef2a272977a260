#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/printable_text.h"
#include "reward/code/box/sandbox.h"

namespace cohort::rl {

// Parses; the exit status to return at once (0 after --help, 2 after a usage error, which is
// printed), or nothing when the command should go on.
inline std::optional<int> ParseCommandLine(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, problem;
    const bool helped = app.exit(error, out, problem) == 0;
    std::fputs(out.str().c_str(), stdout);
    std::fputs(base::PrintableText(problem.str()).c_str(), stderr);
    return helped ? 0 : 2;
  }
  return std::nullopt;
}

// --allow-weak-sandbox, for commands that grade in this process.
inline void AddWeakSandboxFlag(CLI::App& app) {
  app.add_flag_callback(
      "--allow-weak-sandbox", [] { reward::judge::Sandbox::AllowWeak(true); },
      "run code even where cohort doctor finds a protection missing");
}

// --kv-cache-mb of a decoder whose bound is `bytes`.
inline void AddCacheOption(CLI::App& app, int64_t& bytes) {
  app.add_option_function<int64_t>(
         "--kv-cache-mb", [&bytes](int64_t mib) { bytes = mib << 20; },
         "bound of the KV cache (default 1024)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24));
}

// key=value of every assignment. Errors: kUsage, naming the flag, where one is not so or comes
// twice.
inline std::map<std::string, std::string> SplitAssignments(
    const std::string& flag, const std::vector<std::string>& assignments) {
  std::map<std::string, std::string> values;
  for (const std::string& assignment : assignments) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ErrorCode::kUsage, flag + " '" + assignment + "': expected key=value");
    }
    if (!values.emplace(assignment.substr(0, equals), assignment.substr(equals + 1)).second) {
      throw Error(ErrorCode::kUsage, flag + " '" + assignment + "': given twice");
    }
  }
  return values;
}

}  // namespace cohort::rl
