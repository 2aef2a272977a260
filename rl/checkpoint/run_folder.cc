#include "rl/checkpoint/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/durable_file.h"
#include "base/error.h"
#include "rl/checkpoint/checkpoint.h"
#include "rl/checkpoint/provenance.h"
#include "rl/checkpoint/resume_rule.h"
#include "rl/recipe/recipe.h"

namespace cohort::rl {
namespace {

namespace fs = std::filesystem;

constexpr char kRecipeFile[] = "recipe.resolved.yaml";
constexpr char kLockFile[] = "run.lock";
constexpr char kProvenanceFile[] = "provenance.json";

int Lock(const fs::path& folder) {
  const fs::path path = folder / kLockFile;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) {
    throw Error(ErrorCode::kEnvironment,
                "cannot write into " + folder.string() + ": " + std::strerror(errno),
                "--out DIR chooses another run folder");
  }
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int error = errno;
  close(fd);
  if (error == EWOULDBLOCK) {
    throw Error(ErrorCode::kEnvironment, "another cohort process is using " + folder.string(),
                "wait for it, stop it, or choose another folder with --out DIR");
  }
  throw Error(ErrorCode::kEnvironment,
              "cannot lock " + path.string() + ": " + std::strerror(error));
}

bool HoldsSomethingElse(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path name = entry.path().filename();
    // A run killed as it described itself leaves its provenance and no recipe.
    if (name != kLockFile && name != kProvenanceFile && name.extension() != ".tmp") return true;
  }
  return false;
}

void CreateFolder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path)) {
    throw Error(ErrorCode::kEnvironment,
                "cannot create the run folder " + path.string() + ": " +
                    (error ? error.message() : "a file of that name exists"),
                "--out DIR chooses another run folder");
  }
}

fs::path FreeName(const fs::path& path) {
  for (int i = 1;; ++i) {
    fs::path candidate = path.string() + ".old-" + std::to_string(i);
    if (!fs::exists(candidate)) return candidate;
  }
}

// Whether steps were written down. A run killed in its first save has only its first evaluation.
bool HasSteps(const fs::path& folder) {
  std::ifstream metrics(folder / "metrics.jsonl");
  std::string line;
  while (std::getline(metrics, line)) {
    const nlohmann::json row = nlohmann::json::parse(line, nullptr, false);
    if (row.is_object() && row.value("step", int64_t{0}) > 0) return true;
  }
  return false;
}

// The path without a trailing slash, so that PATH.old-N is a sibling.
fs::path Normal(const fs::path& path) {
  const fs::path normal = path.lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

}  // namespace

RunFolder::RunFolder(fs::path path, const proto::Recipe& recipe, const ResumeOptions& options)
    : path_(Normal(path)), inputs_(ChecksumInputs(recipe)) {
  CreateFolder(path_);
  lock_fd_ = Lock(path_);
  try {
    const bool holds_run = fs::exists(path_ / kRecipeFile);
    if (!holds_run && HoldsSomethingElse(path_)) {
      throw Error(ErrorCode::kUsage, path_.string() + " holds files but no run",
                  "choose an empty or new folder with --out DIR");
    }
    if (holds_run && options.fresh) {
      moved_to_ = FreeName(path_).string();
      base::RenameDurably(path_, moved_to_);
      CreateFolder(path_);
      const int moved = lock_fd_;
      lock_fd_ = -1;
      close(moved);
      lock_fd_ = Lock(path_);
    } else if (holds_run && fs::exists(path_ / "checkpoints")) {  // else nothing was trained yet
      const proto::Recipe old_recipe = LoadRecipe((path_ / kRecipeFile).string());
      changes_ = CheckResume(old_recipe, recipe, path_.string(), options.with_changes);
      CheckInputs(options.with_changes);
      resuming_ = true;
    }
    if (holds_run && !options.fresh && HasSteps(path_) && !HoldsCheckpoints(path_)) {
      throw Error(ErrorCode::kEnvironment,
                  path_.string() + " holds the steps of a run and none of its checkpoints",
                  "put them back, or start anew with --fresh (the old run is kept)");
    }
  } catch (...) {
    if (lock_fd_ >= 0) close(lock_fd_);
    throw;
  }
}

void RunFolder::CheckInputs(bool with_changes) {
  const RecordedRun before = ReadProvenance(path_ / kProvenanceFile);
  std::string list;
  bool on_request = true;
  for (const std::string& key : ChangedInputs(before.inputs, inputs_)) {
    on_request = on_request && IsRewardInput(key);
    list += "\n  " + key;
    changes_.push_back("contents of " + key);
  }
  if (list.empty() || (with_changes && on_request)) return;
  throw Error(
      ErrorCode::kUsage,
      "files that the run in " + path_.string() + " reads have changed since:" + list,
      std::string(on_request ? "--resume-with-changes goes on with them, " : "") +
          "put the old ones back, or start anew with --fresh (the old run is kept beside it)");
}

std::string RunFolder::other_processor() const {
  const std::string recorded = ReadProvenance(path_ / kProvenanceFile).processor;
  return resuming_ && recorded != ThisProcessor() ? recorded : "";
}

std::string RunFolder::other_numerics(const proto::Recipe& recipe) const {
  const std::string recorded = ReadProvenance(path_ / kProvenanceFile).numerics;
  return resuming_ && recorded != ThisNumerics(recipe) ? recorded : "";
}

RunFolder::~RunFolder() { close(lock_fd_); }

void RunFolder::Describe(const proto::Recipe& recipe,
                         const std::vector<std::string>& command_line) {
  WriteProvenance(path_ / kProvenanceFile, recipe, command_line,
                  {.resuming = resuming_, .inputs = inputs_, .changes = changes_});
  base::WriteFileDurably(path_ / kRecipeFile, ResolvedYaml(recipe));
}

void RunFolder::Record(const std::string& key, const nlohmann::json& value) const {
  AddToProvenance(path_ / kProvenanceFile, key, value);
}

}  // namespace cohort::rl
