// cohort grade: one reward over JSON lines, in process, in input order.

#include <cstdio>
#include <thread>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "base/printable_text.h"
#include "reward/registry.h"
#include "reward/service/scorer.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"
#include "rl/commands/grade_sample.h"

namespace cohort::rl {
namespace {

using base::Json;

struct GradeSettings {
  std::string reward;
  std::vector<std::string> options;
  std::string input = "-";
  int workers = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  int limit_ms = 0;  // 0: by the reward
};

std::chrono::milliseconds LimitOf(const GradeSettings& settings) {
  if (settings.limit_ms > 0) return std::chrono::milliseconds(settings.limit_ms);
  return std::chrono::seconds(settings.reward == "code" ? 120 : 10);
}

// Scores lines in chunks, so that a long input neither waits in memory nor loses its order.
class Grading {
 public:
  explicit Grading(const GradeSettings& settings)
      : limit_(LimitOf(settings)), scorer_({.workers = settings.workers}) {
    auto terms = std::make_shared<reward::Terms>();
    terms->push_back(
        {settings.reward, 1.0,
         reward::MakeGrader(settings.reward, SplitAssignments("--option", settings.options))});
    terms_ = std::move(terms);
  }

  void Add(const Json& row, int line) {
    if (!row.contains("id")) throw Error(ErrorCode::kUsage, "the field 'id' is missing");
    samples_.push_back(ToSample(row));
    samples_.back().set_sample_id(samples_.size());
    ids_.push_back(row.at("id"));
    lines_.push_back(line);
    bytes_ += samples_.back().completion().size();
    if (samples_.size() >= kChunkLines || bytes_ >= kChunkBytes) Flush();
  }

  void Flush() {
    std::vector<const reward::Sample*> samples;
    for (const reward::Sample& sample : samples_) samples.push_back(&sample);
    std::vector<reward::Verdict> verdicts = scorer_.ScoreAll(terms_, std::move(samples), limit_);
    for (size_t i = 0; i < verdicts.size(); ++i) Print(ids_[i], lines_[i], &verdicts[i]);
    std::fflush(stdout);
    samples_.clear();
    ids_.clear();
    lines_.clear();
    bytes_ = 0;
  }

 private:
  static constexpr size_t kChunkLines = 4096;
  static constexpr size_t kChunkBytes = size_t{16} << 20;

  // Test data that cannot be read is the input's fault: the detail says on which line, stderr too.
  static void NameLine(int line, reward::Verdict* verdict) {
    reward::Component* const component = verdict->mutable_components(0);
    if (component->status() != reward::STATUS_UNPARSEABLE || component->name() != "code") return;
    std::string* const detail = component->mutable_detail();
    *detail = "line " + std::to_string(line) + ": " + *detail;
    base::PrintNote(*detail);
  }

  static void Print(const Json& id, int line, reward::Verdict* graded) {
    NameLine(line, graded);
    const reward::Verdict& verdict = *graded;
    const bool ok = verdict.status() == reward::STATUS_OK;
    nlohmann::ordered_json out;
    out["id"] = id;
    out["score"] = ok ? nlohmann::ordered_json(verdict.score()) : nlohmann::ordered_json(nullptr);
    out["status"] = reward::StatusName(verdict.status());
    if (verdict.components(0).has_tests()) {
      const reward::TestTally& tests = verdict.components(0).tests();
      out["passed"] = tests.passed();
      out["total"] = tests.total();
      out["verdict"] = tests.verdict();
    }
    out["detail"] = ok ? verdict.detail() : verdict.components(0).detail();
    base::PrintJsonLine(out);
  }

  const std::chrono::milliseconds limit_;
  std::shared_ptr<const reward::Terms> terms_;
  std::vector<reward::Sample> samples_;
  std::vector<Json> ids_;
  std::vector<int> lines_;
  size_t bytes_ = 0;
  reward::Scorer scorer_;
};

std::string RewardList() {
  std::string list = "Rewards and their options:\n";
  for (const reward::RewardInfo& reward : reward::RegisteredRewards()) {
    list += "  " + reward.name + ": " + reward.description + "\n";
    for (const auto& option : reward.options) {
      list += "      " + option.name + ": " + option.description + "\n";
    }
  }
  return list;
}

}  // namespace

int RunGrade(int argc, char** argv) {
  GradeSettings settings;
  CLI::App app(
      "Grades answers: {\"id\",\"gold\",\"pred\"} a line in (or \"answer\" or \"code\" for "
      "\"pred\"),\n"
      "{\"id\",\"score\",\"status\",\"detail\"} a line out, in the same order. Example:\n"
      "  echo '{\"id\":1,\"gold\":\"18\",\"pred\":\"So she makes $18.\"}' | cohort grade --reward "
      "last_number",
      "cohort grade");
  app.add_option("--reward", settings.reward, "a reward of the list below")->required();
  app.add_option("--option", settings.options, "key=value, once for each option")
      ->allow_extra_args(false);
  app.add_option("--workers", settings.workers, "threads")->check(CLI::Range(1, 1024));
  app.add_option("--input", settings.input, "JSON lines; - reads stdin (default)");
  app.add_option("--deadline-ms", settings.limit_ms,
                 "longest time for one answer (default 10 s; code, whose tests have limits of "
                 "their own: 120 s)")
      ->check(CLI::Range(1, 3'600'000));
  AddWeakSandboxFlag(app);
  bool json = true;
  app.add_flag("--json", json, "output is JSON lines with and without it");
  app.footer(RewardList());
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  Grading grading(settings);
  try {
    base::ForEachJsonLine(settings.input,
                          [&](const Json& row, int line) { grading.Add(row, line); });
  } catch (const Error&) {
    grading.Flush();  // the lines before the fault are graded
    throw;
  }
  grading.Flush();
  return 0;
}

}  // namespace cohort::rl
