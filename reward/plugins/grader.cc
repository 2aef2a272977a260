#include "reward/plugins/grader.h"

#include <sys/stat.h>

#include "base/error.h"

namespace cohort::reward {
FileIdentity FileIdentity::Of(const std::filesystem::path& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return {status.st_ino, status.st_size,
          status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec};
}

std::filesystem::path RequiredFile(const Options& options, const std::string& hint) {
  const std::filesystem::path path = std::filesystem::absolute(options.RequiredText("path"));
  if (FileIdentity::Of(path).size < 0) options.Fail("there is no file " + path.string(), hint);
  return path;
}

PluginGrader::PluginGrader(const PluginGraderSettings& settings, PluginPool::Start start)
    : file_(settings.file),
      identity_(FileIdentity::Of(settings.file)),
      pool_(settings.max_processes, std::move(start)),
      judged_({.keep_grades = settings.keep_grades},
              [this](std::span<const Sample* const> samples, const Budget& budget) {
                return Ask(samples, budget);
              }) {}

std::optional<Grade> PluginGrader::RefusalOfChangedFile() const {
  if (FileIdentity::Of(file_) == identity_) return std::nullopt;
  return Failed(STATUS_ERROR,
                file_.string() + " changed since it was loaded; start the service again");
}

Grade PluginGrader::Score(const Sample& sample, const Budget& budget) const {
  if (auto refusal = RefusalOfChangedFile()) return *std::move(refusal);
  return judged_.Score(sample, budget);
}

std::vector<Grade> PluginGrader::ScoreBatch(std::span<const Sample* const> samples,
                                            const Budget& budget) const {
  if (const auto refusal = RefusalOfChangedFile()) return {samples.size(), *refusal};
  if (takes_batches()) return judged_.ScoreTogether(samples, budget);
  return Grader::ScoreBatch(samples, budget);
}

std::vector<Grade> PluginGrader::Ask(std::span<const Sample* const> samples,
                                     const Budget& budget) const {
  try {
    return pool_.Score(samples, budget);
  } catch (const Error& error) {
    return std::vector<Grade>(samples.size(), Failed(STATUS_ERROR, error.what()));
  }
}

}  // namespace cohort::reward
