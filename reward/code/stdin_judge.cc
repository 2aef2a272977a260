#include "reward/code/stdin_judge.h"

#include <algorithm>

namespace cohort::reward::judge {
namespace {

namespace asio = boost::asio;

constexpr int kSyntaxError = 65;  // run_program.py

Program ProgramOf(const Submission& submission, const StdinTest& test, bool has_group) {
  const ProgramLimits& limits = submission.limits();
  Program program;
  program.argv = submission.language().run;
  program.input = test.input;
  program.limits = RunLimitsOf(limits, has_group);
  program.wall = std::chrono::milliseconds(limits.wall_ms);
  // Room for what is expected, however long that is, and as much white space.
  program.stdout_bytes =
      std::max(static_cast<size_t>(limits.stdout_bytes), 2 * test.expected.size());
  return program;
}

bool IsSyntaxError(const Submission& submission, const RunResult& result) {
  return submission.language().name == "python" && result.reply.end == BoxEnd::kExited &&
         result.reply.status == kSyntaxError;
}

}  // namespace

asio::awaitable<void> JudgeStdin(const CodeTask& task, Submission* submission, Checker* checker,
                                 Judgement* judgement) {
  for (const StdinTest& test : task.stdin_tests) {
    Box* const box = co_await submission->PrepareClean();
    if (box == nullptr) {
      judgement->results.push_back(submission->compile_error());
      continue;
    }
    const Program program = ProgramOf(*submission, test, box->has_group());
    const RunResult run = co_await submission->Run(program);
    TestResult result = VerdictOf(run);
    if (IsSyntaxError(*submission, run)) {
      result.verdict = TestVerdict::kCompileError;
    } else if (result.verdict == TestVerdict::kAccepted) {
      bool right = false;
      if (checker == nullptr) {
        right = SameOutput(task.compare, run.output, test.expected);
      } else {
        right = co_await checker->Accepts(test, run.output);
      }
      if (!right) result.verdict = TestVerdict::kWrongAnswer;
    }
    judgement->results.push_back(std::move(result));
    if (task.stop_early && judgement->FirstFailure() != nullptr) co_return;
  }
}

}  // namespace cohort::reward::judge
