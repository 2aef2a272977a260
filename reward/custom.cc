// custom: a user's shared object, run in processes of its own (plugin.h is the interface).

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "reward/plugin_process.h"
#include "reward/registry.h"

namespace cohort::reward {
namespace {

constexpr std::chrono::milliseconds kLoadLimit(10'000);

// Which bytes lie at a path; a change under a running service must not pass silently.
struct FileIdentity {
  ino_t inode = 0;
  off_t size = -1;
  int64_t modified_ns = 0;

  static FileIdentity Of(const std::filesystem::path& path) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
    return {status.st_ino, status.st_size,
            status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec};
  }
  bool operator==(const FileIdentity&) const = default;
};

PluginSettings ReadSettings(const Options& options) {
  const std::string path = options.RequiredText("path");
  return {std::filesystem::absolute(path), options.Text("config", ""),
          options.Integer("memory_mb", 2048, 64, 1 << 20)};
}

class CustomGrader final : public Grader {
 public:
  explicit CustomGrader(const Options& options)
      : settings_(ReadSettings(options)), identity_(FileIdentity::Of(settings_.path)) {
    if (identity_.size < 0) {
      options.Fail("there is no file " + settings_.path.string(),
                   "'path' names a shared object; recipes/custom_reward/README.md shows how to "
                   "compile one");
    }
    Release(std::make_unique<PluginProcess>(settings_, Budget(kLoadLimit)));
  }

  Grade Score(const Sample& sample, const Budget& budget) const override {
    if (FileIdentity::Of(settings_.path) != identity_) {
      return Failed(STATUS_ERROR, settings_.path.string() +
                                      " changed since it was loaded; start the service again");
    }
    try {
      std::unique_ptr<PluginProcess> process = Acquire();
      Grade grade = process->Score(sample, budget);
      if (process->alive()) Release(std::move(process));
      return grade;
    } catch (const Error& error) {
      return Failed(STATUS_ERROR, error.what());
    }
  }

 private:
  // At most one process for each thread that scores.
  std::unique_ptr<PluginProcess> Acquire() const {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<PluginProcess> process = std::move(idle_.back());
        idle_.pop_back();
        return process;
      }
    }
    return std::make_unique<PluginProcess>(settings_, Budget(kLoadLimit));
  }

  void Release(std::unique_ptr<PluginProcess> process) const {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(process));
  }

  const PluginSettings settings_;
  const FileIdentity identity_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<PluginProcess>> idle_;  // guarded by mutex_
};

}  // namespace

RewardInfo CustomReward() {
  return {"custom",
          "a shared object of your own (reward/plugin.h), run in a separate process",
          {{"path", "the shared object"},
           {"config", "text handed to it with every sample"},
           {"memory_mb", "its address space in MiB (default 2048)"}},
          [](const Options& options) { return std::make_unique<CustomGrader>(options); },
          /*starts_process=*/true};
}

}  // namespace cohort::reward
