#pragma once

// The folder of one run: who may write to it, and whether the run starts or goes on.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rl/checkpoint/inputs.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// How a run that is there already is met.
struct ResumeOptions {
  bool fresh = false;         // it is moved aside
  bool with_changes = false;  // rl/checkpoint/resume_rule.h
};

// Holds an exclusive lock on the folder for its lifetime.
class RunFolder {
 public:
  // Creates or opens `path` for `recipe`. Where no run is there, one starts. A run that is there is
  // resumed, unless rl/checkpoint/resume_rule.h refuses how the recipe changed; with `fresh` it
  // moves to PATH.old-N instead, and nothing is deleted. A run that had steps and has no checkpoint
  // any more starts anew with `fresh` only.
  // Errors: kUsage naming the differing keys, or the files that the run reads and that changed;
  // kUsage for a folder that holds something else; kEnvironment when another process has the run,
  // or the folder cannot be written.
  RunFolder(std::filesystem::path path, const proto::Recipe& recipe, const ResumeOptions& options);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  // Writes recipe.resolved.yaml and provenance.json (version, command line, seed, threads, build
  // type, start time; a resumed run adds itself to "resumed"). Call before the first step.
  void Describe(const proto::Recipe& recipe, const std::vector<std::string>& command_line);

  // Adds to provenance.json what only the run finds out.
  void Record(const std::string& key, const nlohmann::json& value) const;

  const std::filesystem::path& path() const { return path_; }
  bool resuming() const { return resuming_; }
  // Those that --resume-with-changes made the run take: "KEY: OLD -> NEW", "contents of ...".
  const std::vector<std::string>& changes() const { return changes_; }
  // The processor that a resumed run was made on, where it is another kind than this; else "".
  std::string other_processor() const;
  // Likewise its class of products, where the recipe's is another on this machine.
  std::string other_numerics(const proto::Recipe& recipe) const;
  const std::string& moved_to() const { return moved_to_; }  // where `fresh` put the old run, or ""

 private:
  void CheckInputs(bool with_changes);

  std::filesystem::path path_;
  int lock_fd_ = -1;
  bool resuming_ = false;
  InputChecksums inputs_;
  std::vector<std::string> changes_;
  std::string moved_to_;
};

}  // namespace cohort::rl
