#pragma once

// RUN/journal/: a file a step and one an evaluation, and the recipes that they were made with.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rl/journal/compressed_file.h"
#include "rl/journal/journal_entry.h"

namespace cohort::rl {

// Owned by one thread. An entry is written by another one, at most one at a time: the next Append
// waits for it. Above output.journal_mib the oldest files go, never the newest. With
// output.journal: off nothing is written.
class Journal {
 public:
  // `ledger`, as Sync() returned it, cuts the journal back to a checkpoint: files that it does not
  // list are removed. Null on a fresh start: all are.
  Journal(const std::filesystem::path& run_folder, const proto::Recipe& recipe,
          const nlohmann::json& ledger);
  ~Journal();  // waits for what is being written
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Mode, recipe and platform are the journal's to fill in. Errors, also of what was appended
  // before, which every later call tries again: kEnvironment naming the file and the system's
  // reason.
  void Append(JournalEntry entry);
  void Append(JournalEvaluation evaluation);
  // Every entry is durable. Returns which files there are, for the checkpoint's scalars.
  nlohmann::json Sync();
  // Steps that the cap has removed, since the run's start.
  int64_t dropped_steps();

 private:
  struct File {
    std::string name;
    uint64_t bytes = 0;
  };
  void LoadLedger(const nlohmann::json& ledger);
  void RemoveOthers() const;
  void KeepRecipe(proto::Recipe recipe);
  void Write(const std::string& name, std::function<void(CompressedFile*)> write);
  void Count(const std::string& name, uint64_t bytes);  // and drops what is too much
  void WriteUnwritten();
  void Wait();

  const std::filesystem::path folder_;
  const proto::Output::Journal mode_;
  const uint64_t max_bytes_;
  std::string recipe_file_;
  // While `writing_` runs these are its own.
  std::vector<File> files_;  // in the order in which they were written
  int64_t dropped_steps_ = 0;
  std::function<void()> unwritten_;  // the last entry, until it is on disk
  std::future<void> writing_;
};

std::filesystem::path JournalFolder(const std::filesystem::path& run_folder);
// Where the entry of a step lies.
std::filesystem::path JournalFile(const std::filesystem::path& run_folder, int64_t step);
// The recipe that an entry names, without its output. Errors: kEnvironment when it is gone or
// altered.
proto::Recipe ReadJournalRecipe(const std::filesystem::path& run_folder, const std::string& name);

}  // namespace cohort::rl
