#pragma once

// A reward that lives in a file of the user's and runs in processes of its own: what `custom` and
// `python` have in common.

#include <sys/types.h>

#include <filesystem>

#include "reward/cache/grade_cache.h"
#include "reward/options.h"
#include "reward/plugins/pool.h"

namespace cohort::reward {

// Tells whether a path still holds the same bytes: a change under a running service must not pass
// silently.
struct FileIdentity {
  ino_t inode = 0;
  off_t size = -1;  // below 0: there is no such file
  int64_t modified_ns = 0;

  static FileIdentity Of(const std::filesystem::path& path);
  bool operator==(const FileIdentity&) const = default;
};

// The option `path` as an absolute path. Errors: kUsage with `hint` when there is no such file.
std::filesystem::path RequiredFile(const Options& options, const std::string& hint);

struct PluginGraderSettings {
  std::filesystem::path file;
  int max_processes = 0;    // 0: one for each thread that scores
  bool keep_grades = true;  // an input that was judged is not judged again
};

class PluginGrader final : public Grader {
 public:
  // Errors: what `start` throws: a plug-in that does not load.
  PluginGrader(const PluginGraderSettings& settings, PluginPool::Start start);

  Grade Score(const Sample& sample, const Budget& budget) const override;
  bool takes_batches() const override { return pool_.takes_batches(); }
  std::vector<Grade> ScoreBatch(std::span<const Sample* const> samples,
                                const Budget& budget) const override;

 private:
  std::optional<Grade> RefusalOfChangedFile() const;
  std::vector<Grade> Ask(std::span<const Sample* const> samples, const Budget& budget) const;

  const std::filesystem::path file_;
  const FileIdentity identity_;
  mutable PluginPool pool_;
  mutable GradeCache judged_;
};

}  // namespace cohort::reward
