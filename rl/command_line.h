#pragma once

#include <CLI/CLI.hpp>
#include <optional>

namespace cohort::rl {

// Parses; the exit status to return at once (0 after --help, 2 after a usage error, which is
// printed), or nothing when the command should go on.
inline std::optional<int> ParseCommandLine(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return std::nullopt;
}

}  // namespace cohort::rl
