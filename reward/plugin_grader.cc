#include "reward/plugin_grader.h"

#include <sys/stat.h>

#include "base/error.h"

namespace cohort::reward {
namespace {

bool IsFailure(Status status) { return status != STATUS_OK && status != STATUS_NOT_APPLICABLE; }

}  // namespace

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

PluginGrader::PluginGrader(const Settings& settings, PluginPool::Start start)
    : settings_(settings),
      identity_(FileIdentity::Of(settings.file)),
      pool_(settings.max_processes, std::move(start)),
      memory_(settings.max_inputs, settings.keep_grades) {}

Grade PluginGrader::Score(const Sample& sample, const Budget& budget) const {
  const Sample* const one[] = {&sample};
  return ScoreBatch(one, budget).front();
}

std::vector<Grade> PluginGrader::ScoreBatch(std::span<const Sample* const> samples,
                                            const Budget& budget) const {
  std::vector<Grade> grades(samples.size());
  if (FileIdentity::Of(settings_.file) != identity_) {
    grades.assign(
        samples.size(),
        Failed(STATUS_ERROR,
               settings_.file.string() + " changed since it was loaded; start the service again"));
    return grades;
  }
  std::vector<InputKey> keys;
  std::vector<size_t> unknown;
  for (size_t i = 0; i < samples.size(); ++i) {
    keys.push_back(KeyOf(*samples[i]));
    std::optional<Grade> known = memory_.Recall(keys[i]);
    if (known.has_value()) {
      grades[i] = *std::move(known);
    } else {
      unknown.push_back(i);
    }
  }
  std::vector<Grade> together;
  if (takes_batches() && unknown.size() > 1) {
    std::vector<const Sample*> asked;
    for (const size_t i : unknown) asked.push_back(samples[i]);
    together = Ask(asked, budget);
  }
  for (size_t n = 0; n < unknown.size(); ++n) {
    const size_t i = unknown[n];
    if (n < together.size() && !IsFailure(together[n].status)) {
      grades[i] = std::move(together[n]);
      memory_.Note(keys[i], grades[i]);
    } else {
      grades[i] = ScoreAlone(*samples[i], keys[i], budget);
    }
  }
  return grades;
}

Grade PluginGrader::ScoreAlone(const Sample& sample, const InputKey& key,
                               const Budget& budget) const {
  const Sample* const one[] = {&sample};
  Grade grade = Ask(one, budget).front();
  if (!budget.Cancelled()) memory_.Note(key, grade);
  return grade;
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
