#include "reward/code/submission.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/error.h"

namespace cohort::reward::judge {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

// The time that the running program waited for a core, asked for without a coroutine.
uint64_t MeasureWaitedUs(const Box* box) {
  constexpr int kAnswerMs = 200;
  box->Measure();
  pollfd answer = {box->control(), POLLIN, 0};
  BoxReply reply;
  const bool answered = poll(&answer, 1, kAnswerMs) == 1 &&
                        recv(box->control(), &reply, sizeof(reply), MSG_DONTWAIT) == sizeof(reply);
  return answered ? reply.waited_us : 0;
}

}  // namespace

milliseconds Submission::ran() const {
  const auto now = running_since_ ? std::chrono::steady_clock::now() - *running_since_
                                  : std::chrono::steady_clock::duration(0);
  std::chrono::steady_clock::duration ran = ran_ + now;
  if (running_since_ && box_ != nullptr)
    ran -= std::chrono::microseconds(MeasureWaitedUs(box_.get()));
  return std::chrono::duration_cast<milliseconds>(ran);
}

asio::awaitable<RunResult> Submission::Run(const Program& program) {
  running_since_ = std::chrono::steady_clock::now();
  RunResult result = co_await RunProgram(box_.get(), program);
  ran_ += std::chrono::steady_clock::now() - *running_since_;
  ran_ -= std::chrono::microseconds(result.reply.waited_us);
  running_since_.reset();
  // After an out-of-memory kill nobody knows who else was hit.
  if (result.lost || result.out_of_memory) DropBox();
  co_return result;
}

asio::awaitable<Box*> Submission::Prepare() {
  if (box_ != nullptr) co_return box_.get();
  if (compile_error_.verdict != TestVerdict::kAccepted) co_return nullptr;
  box_ = boxes_->Take(limits_);
  co_await AwaitReady(box_.get());
  if (!box_->PutFile(language_.file, code_)) {
    throw Error(ErrorCode::kEnvironment, "a sandbox ended before it was used");
  }
  bool ready = true;  // g++ 12 miscompiles co_await within && and ||
  if (!language_.compile.empty()) ready = co_await Compile();
  if (!ready) DropBox();
  co_return box_.get();
}

asio::awaitable<Box*> Submission::PrepareClean() {
  if (box_ != nullptr) {
    const bool restored = co_await RestoreFiles(box_.get());
    if (!restored) DropBox();
  }
  Box* const box = co_await Prepare();
  if (box != nullptr && !is_kept_) is_kept_ = box->KeepFiles();
  co_return box;
}

asio::awaitable<bool> Submission::Compile() {
  constexpr int64_t kCompilerProcesses = 64;
  ProgramLimits limits = limits_;
  limits.memory_mb = limits_.compile_memory_mb;
  limits.cpu_ms = limits_.compile_wall_ms;
  limits.pids = kCompilerProcesses;
  if (!box_->LimitGroup(limits.memory_mb, limits.pids)) {
    throw Error(ErrorCode::kEnvironment, "cannot set the compiler's limits");
  }
  Program compiler;
  compiler.argv = language_.compile;
  compiler.limits = RunLimitsOf(limits, box_->has_group());
  compiler.wall = milliseconds(limits_.compile_wall_ms);
  compiler.stdout_bytes = 1 << 16;
  const RunResult result = co_await Run(compiler);
  compile_error_ = VerdictOf(result);
  if (compile_error_.verdict == TestVerdict::kAccepted) {
    if (box_->LimitGroup(limits_.memory_mb, limits_.pids)) co_return true;
    compile_error_ = {TestVerdict::kCompileError, "the program fills the memory limit"};
    co_return false;
  }
  compile_error_.detail = result.errors.empty() ? "the compiler: " + compile_error_.detail
                                                : result.errors.substr(0, 200);
  compile_error_.verdict = TestVerdict::kCompileError;
  co_return false;
}

}  // namespace cohort::reward::judge
