// code: runs the completion's program against the sample's tests, in a sandbox (code/).

#include "base/error.h"
#include "reward/cache/grade_cache.h"
#include "reward/code/judge.h"
#include "reward/registry.h"
#include "reward/text/answer_text.h"
#include "reward/text/fenced_blocks.h"

namespace cohort::reward {
namespace {

TestTally Tally(size_t passed, size_t total, judge::TestVerdict verdict) {
  TestTally tally;
  tally.set_passed(static_cast<uint32_t>(passed));
  tally.set_total(static_cast<uint32_t>(total));
  tally.set_verdict(judge::VerdictName(verdict));
  return tally;
}

class CodeGrader final : public Grader {
 public:
  explicit CodeGrader(const Options& options)
      : defaults_(DefaultsOf(options)),
        judge_(judge::Languages(options.Text("commands", ""))),
        unfenced_(options.Flag("unfenced", false)),
        judged_({.max_inputs = 4096,
                 .keep_grades = options.Flag("cache", true),
                 .quarantine = false},  // a busy judge is no fault of the submission
                [this](std::span<const Sample* const> samples, const Budget& budget) {
                  return std::vector<Grade>{Run(*samples.front(), budget)};
                }) {
    judge_.FindLanguage(defaults_.language);
  }

  Grade Score(const Sample& sample, const Budget& budget) const override {
    return judged_.Score(sample, budget);
  }

 private:
  Grade Run(const Sample& sample, const Budget& budget) const {
    try {
      const judge::CodeTask task =
          judge::ReadTask(sample.columns_json(), sample.prompt(), defaults_);
      return Judge(task, sample, budget);
    } catch (const judge::OutOfBudget&) {
      return Failed(STATUS_TIMEOUT, "the judge did not get to it within " +
                                        std::to_string(budget.limit().count()) + " ms");
    } catch (const Error& error) {
      const bool bad_data = error.code() == ErrorCode::kUsage;
      return Failed(bad_data ? STATUS_UNPARSEABLE : STATUS_ERROR, error.what());
    }
  }

  static judge::TaskDefaults DefaultsOf(const Options& options) {
    judge::TaskDefaults defaults;
    defaults.language = options.Text("language", defaults.language);
    defaults.limits = judge::LimitsOf(options);
    defaults.compare = judge::ParseCompare(options.Text("compare", ""));
    defaults.all_or_nothing = options.OneOf("score", "all", {"all", "fraction"}) == "all";
    defaults.stop_early = options.Flag("stop_early", false);
    if (defaults.stop_early && !defaults.all_or_nothing) {
      options.Fail("stop_early and score=fraction exclude each other");
    }
    return defaults;
  }

  Grade Judge(const judge::CodeTask& task, const Sample& sample, const Budget& budget) const {
    const judge::Language& language = judge_.FindLanguage(task.language);
    const auto text = AfterReasoning(sample.completion());
    if (!text) return NoCode(task, "the reasoning was never closed");
    std::optional<std::string> code = FencedCode(*text, language.tags);
    if (!code && unfenced_) code = std::string(*text);
    if (!code) return NoCode(task, "no fenced block in the completion");
    return ToGrade(task, judge_.Run(task, *code, budget));
  }

  static Grade NoCode(const judge::CodeTask& task, const std::string& why) {
    Grade grade = {0, STATUS_OK, why};
    grade.tests = Tally(0, task.total(), judge::TestVerdict::kCompileError);
    return grade;
  }

  Grade ToGrade(const judge::CodeTask& task, const judge::Judgement& judgement) const {
    const size_t passed = judgement.passed();
    const size_t total = task.total();
    const judge::TestResult* const failure = judgement.FirstFailure();
    Grade grade;
    grade.score = defaults_.all_or_nothing
                      ? (passed == total ? 1 : 0)
                      : static_cast<double>(passed) / static_cast<double>(total);
    const judge::TestVerdict verdict = failure ? failure->verdict : judge::TestVerdict::kAccepted;
    grade.tests = Tally(passed, total, verdict);
    grade.detail = std::string(judge::VerdictName(verdict)) + ", " + std::to_string(passed) +
                   " of " + std::to_string(total) + " tests";
    if (failure && !failure->detail.empty()) grade.detail += ": " + failure->detail;
    return grade;
  }

  const judge::TaskDefaults defaults_;
  const judge::CodeJudge judge_;
  const bool unfenced_;
  mutable GradeCache judged_;
};

std::vector<OptionInfo> CodeOptions() {
  std::vector<OptionInfo> options = {
      {"language", "of samples without a column `language` (default python; cpp is known too)"},
      {"commands", "more languages: NAME=FILE:RUN or NAME=FILE:COMPILE:RUN, separated by ';'"},
      {"stop_early", "true: after a test that failed the others are not run (default false)"},
      {"unfenced",
       "true: a completion without a fenced block is the program, or what follows HumanEval's "
       "prompt "
       "(default false)"},
      {"cache", "false: judge a sample again that was judged before (default true)"},
      {"score", "all (1 when every test passes, else 0; default) or fraction (of tests passed)"},
      {"compare",
       "of samples without a column `compare`: lines (default), exact, tokens, float:EPS, "
       "sequence_lenient (calls), checker"}};
  for (const judge::LimitField& field : judge::LimitFields()) {
    options.push_back({field.name, std::string(field.meaning) + " (default " +
                                       std::to_string(judge::ProgramLimits().*field.member) + ")"});
  }
  return options;
}

}  // namespace

RewardInfo CodeReward() {
  return {"code",
          "runs the last fenced block against the sample's tests (columns mode, tests, ...) in a "
          "sandbox; a program that fails a test scores 0",
          CodeOptions(),
          [](const Options& options) { return std::make_unique<CodeGrader>(options); },
          /*starts_process=*/true};
}

}  // namespace cohort::reward
