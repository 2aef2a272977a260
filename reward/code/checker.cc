#include "reward/code/checker.h"

#include <algorithm>

#include "base/error.h"

namespace cohort::reward::judge {
namespace {

constexpr char kInput[] = "input.txt";
constexpr char kOutput[] = "output.txt";
constexpr char kAnswer[] = "answer.txt";

// Room for a checker of any submission's output, whatever the submission itself may use.
ProgramLimits CheckerLimits(ProgramLimits limits) {
  const ProgramLimits defaults;
  limits.wall_ms = std::max<int64_t>(limits.wall_ms, 10'000);
  limits.cpu_ms = std::max<int64_t>(limits.cpu_ms, 10'000);
  limits.memory_mb = std::max<int64_t>(limits.memory_mb, 512);
  limits.pids = std::max(limits.pids, defaults.pids);
  limits.stdout_bytes = std::max(limits.stdout_bytes, defaults.stdout_bytes);
  limits.file_mb = std::max<int64_t>(limits.file_mb, 256);
  return limits;
}

}  // namespace

Checker::Checker(BoxPool* boxes, const Language& language, const ProgramLimits& limits,
                 std::string source)
    : program_(boxes, language, CheckerLimits(limits), std::move(source)) {}

boost::asio::awaitable<bool> Checker::Accepts(const StdinTest& test, const std::string& output) {
  Box* const box = co_await program_.Prepare();
  if (box == nullptr) {
    throw Error(ErrorCode::kUsage,
                "the checker does not compile: " + program_.compile_error().detail);
  }
  if (!box->PutFile(kInput, test.input) || !box->PutFile(kOutput, output) ||
      !box->PutFile(kAnswer, test.expected)) {
    throw Error(ErrorCode::kEnvironment, "the checker's sandbox ended");
  }
  const ProgramLimits& limits = program_.limits();
  Program program;
  program.argv = program_.language().run;
  program.argv.insert(program.argv.end(), {kInput, kOutput, kAnswer});
  program.limits = RunLimitsOf(limits, box->has_group());
  program.wall = std::chrono::milliseconds(limits.wall_ms);
  program.stdout_bytes = static_cast<size_t>(limits.stdout_bytes);
  const RunResult run = co_await program_.Run(program);
  const bool exited = !run.lost && run.reply.end == BoxEnd::kExited;
  if (exited && run.reply.status == 0) co_return true;
  if (exited && (run.reply.status == 1 || run.reply.status == 2)) co_return false;
  throw Error(ErrorCode::kEnvironment, "the checker failed: " + VerdictOf(run).detail);
}

}  // namespace cohort::reward::judge
