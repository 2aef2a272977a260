#include "reward/code/box/run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/utf8.h"

namespace cohort::reward::judge {
namespace {

namespace asio = boost::asio;
using asio::use_awaitable;
using asio::experimental::awaitable_operators::operator||;
using asio::experimental::awaitable_operators::operator&&;
using asio::posix::stream_descriptor;
using std::chrono::milliseconds;

constexpr milliseconds kBootLimit(10'000);
constexpr milliseconds kStopGrace(3'000);  // from kStop to the report of a healthy box
constexpr size_t kErrorBytes = 8192;

asio::awaitable<void> Sleep(milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(use_awaitable);
}

// The box's next message, or nothing when it is gone.
asio::awaitable<std::optional<BoxReply>> NextReply(Box* box) {
  stream_descriptor control(co_await asio::this_coro::executor, dup(box->control()));
  BoxReply reply;
  while (true) {
    const ssize_t got = recv(box->control(), &reply, sizeof(reply), MSG_DONTWAIT);
    if (got == sizeof(reply)) co_return reply;
    if (got >= 0 || (errno != EAGAIN && errno != EINTR)) co_return std::nullopt;
    co_await control.async_wait(stream_descriptor::wait_read, use_awaitable);
  }
}

// Keeps up to `keep` bytes and reads on to the end; calls `full` once there are more.
template <typename Full>
asio::awaitable<void> Collect(stream_descriptor* from, size_t keep, std::string* into, Full full) {
  std::vector<char> buffer(1 << 16);
  bool was_full = false;
  while (true) {
    boost::system::error_code error;
    const size_t got = co_await from->async_read_some(asio::buffer(buffer),
                                                      asio::redirect_error(use_awaitable, error));
    if (error) {
      if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
      co_return;
    }
    const size_t room = keep - into->size();
    into->append(buffer.data(), std::min(room, got));
    if (got > room && !was_full) {
      was_full = true;
      full();
    }
  }
}

struct Pipe {
  int read_end = -1;
  int write_end = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      throw Error(ErrorCode::kEnvironment, std::string("cannot make a pipe: ") + strerror(errno));
    }
    read_end = ends[0];
    write_end = ends[1];
    fchmod(write_end, 0666);  // a box's own user may open /dev/stdout
  }
  ~Pipe() { CloseWriteEnd(); }
  void CloseWriteEnd() {
    if (write_end >= 0) close(write_end);
    write_end = -1;
  }
};

const std::vector<std::string>& Environment() {
  static const std::vector<std::string> environment = {
      "PATH=/usr/bin:/bin", "HOME=/tmp", "TMPDIR=/tmp", "LANG=C.UTF-8", "LC_ALL=C.UTF-8"};
  return environment;
}

std::string Packet(const Program& program, uint32_t number) {
  BoxRun run;
  run.number = number;
  run.limits = program.limits;
  run.argc = static_cast<uint32_t>(program.argv.size());
  run.envc = static_cast<uint32_t>(Environment().size());
  std::string packet(reinterpret_cast<const char*>(&run), sizeof(run));
  for (const auto* texts : {&program.argv, &Environment()}) {
    for (const std::string& text : *texts) packet += text + '\0';
  }
  COHORT_CHECK(packet.size() < kMaxPacket, "a command line fits a packet");
  return packet;
}

}  // namespace

bool StartProgram(Box* box, const Program& program, uint32_t number, int output, int errors) {
  const int input = MemoryFile(program.input);
  std::vector<int> fds = {input, output, errors};
  if (program.channel >= 0) fds.push_back(program.channel);
  const bool sent = box->Send(Packet(program, number), fds);
  close(input);
  return sent;
}

asio::awaitable<void> AwaitReady(Box* box) {
  auto first = co_await (NextReply(box) || Sleep(kBootLimit));
  const auto* reply = std::get_if<0>(&first);
  if (reply != nullptr && reply->has_value() && (*reply)->end == BoxEnd::kReady) co_return;
  box->Close();
  std::string why = "it did not answer in time";
  if (reply != nullptr) {
    why = reply->has_value() ? std::string((*reply)->what) + ": " + strerror((*reply)->status)
                             : "it ended: " + box->StartError();
  }
  throw Error(ErrorCode::kEnvironment, "a sandbox did not start: " + why, "see cohort doctor");
}

asio::awaitable<bool> RestoreFiles(Box* box) {
  const BoxRestoreFiles restore;
  const std::string_view packet(reinterpret_cast<const char*>(&restore), sizeof(restore));
  if (!box->Send(packet)) co_return false;
  const auto answered = [&]() -> asio::awaitable<bool> {
    while (true) {
      const auto reply = co_await NextReply(box);
      if (!reply.has_value()) co_return false;
      if (reply->number == 0) co_return reply->end == BoxEnd::kReady;
    }
  };
  const auto first = co_await (answered() || Sleep(kStopGrace));
  const bool* const restored = std::get_if<0>(&first);
  co_return restored != nullptr&&* restored;
}

asio::awaitable<void> SleepWhileItRuns(std::function<Box*()> box, milliseconds wall) {
  constexpr int kTimes = 3;
  constexpr milliseconds kLook(5), kAnswer(500);
  milliseconds granted(0);  // beyond `wall`, for the time it waited for a core
  co_await Sleep(wall);
  while (granted < (kTimes - 1) * wall && box() != nullptr) {
    const uint64_t measured = box()->measurements();
    box()->Measure();
    for (milliseconds slept(0); slept < kAnswer && box() != nullptr; slept += kLook) {
      if (box()->measurements() != measured) break;
      co_await Sleep(kLook);
    }
    if (box() == nullptr) co_return;
    const milliseconds waited(box()->waited_us() / 1000);
    if (waited - granted < wall / 8) co_return;
    const milliseconds more = std::min(waited, (kTimes - 1) * wall) - granted;
    granted += more;
    co_await Sleep(more);
  }
}

asio::awaitable<RunResult> RunProgram(Box* box, const Program& program) {
  static std::atomic<uint32_t> runs = 0;
  const uint32_t number = ++runs;
  RunResult result;
  const uint64_t kills_before = box->OutOfMemoryKills();
  const auto executor = co_await asio::this_coro::executor;
  Pipe out, err;
  stream_descriptor output(executor, out.read_end), errors(executor, err.read_end);
  if (!StartProgram(box, program, number, out.write_end, err.write_end)) {
    result.lost = true;
    co_return result;
  }
  out.CloseWriteEnd();
  err.CloseWriteEnd();
  const auto await_end = [&]() -> asio::awaitable<void> {
    while (true) {
      const auto reply = co_await NextReply(box);
      result.lost = !reply.has_value();
      if (result.lost) co_return;
      if (reply->number != number) continue;
      if (reply->end == BoxEnd::kMeasured) {
        box->NoteWaited(reply->waited_us);
        continue;
      }
      result.reply = *reply;
      co_return;
    }
  };
  const auto watch = [&]() -> asio::awaitable<void> {
    co_await SleepWhileItRuns([box] { return box; }, program.wall);
    result.late = true;
    box->Stop();
    co_await Sleep(kStopGrace);
    result.lost = true;
  };
  const auto stop_for_output = [&] {
    result.output_limit = true;
    box->Stop();
  };
  co_await ((Collect(&output, program.stdout_bytes, &result.output, stop_for_output) &&
             Collect(&errors, kErrorBytes, &result.errors, [] {}) && await_end()) ||
            watch());
  result.out_of_memory = box->OutOfMemoryKills() > kills_before;
  co_return result;
}

TestResult VerdictOf(const RunResult& result) {
  const BoxReply& reply = result.reply;
  const std::string last_words =
      base::RepairUtf8(result.errors.size() > 160 ? result.errors.substr(result.errors.size() - 160)
                                                  : result.errors);
  if (result.output_limit) return {TestVerdict::kOutputLimit, "too much output"};
  if (result.out_of_memory || reply.end == BoxEnd::kMemory) {
    return {TestVerdict::kMemoryLimit, "out of memory"};
  }
  if (result.late) return {TestVerdict::kTimeLimit, "the wall time is over"};
  if (result.lost) return {TestVerdict::kRuntimeError, "it took its sandbox down"};
  switch (reply.end) {
    case BoxEnd::kCpu:
      return {TestVerdict::kTimeLimit, "the CPU time is over"};
    case BoxEnd::kSignal:
      if (reply.status == SIGXCPU) return {TestVerdict::kTimeLimit, "the CPU time is over"};
      break;
    case BoxEnd::kExited:
      if (reply.status == 0) return {};
      break;
    default:
      return {TestVerdict::kRuntimeError, "it did not run"};
  }
  // When there is no control group, the program itself meets the limit and says so in its own
  // words.
  for (const char* const words : {"MemoryError", "std::bad_alloc", "out of memory"}) {
    if (result.errors.find(words) != std::string::npos) {
      return {TestVerdict::kMemoryLimit, last_words};
    }
  }
  const std::string how = reply.end == BoxEnd::kSignal ? "signal " : "exit status ";
  return {TestVerdict::kRuntimeError, how + std::to_string(reply.status) + " " + last_words};
}

RunLimits RunLimitsOf(const ProgramLimits& limits, bool has_group) {
  RunLimits run;
  run.cpu_us = static_cast<uint64_t>(limits.cpu_ms) * 1000;
  run.file_bytes = static_cast<uint64_t>(limits.file_mb) << 20;
  run.open_files = static_cast<uint64_t>(limits.open_files);
  run.processes = static_cast<uint64_t>(limits.pids);
  if (!has_group) {
    run.memory_bytes = static_cast<uint64_t>(limits.memory_mb) << 20;
    // Between two measures no process grows without any bound; stacks of threads, which are mostly
    // not used, count here.
    run.data_bytes = 2 * run.memory_bytes + (uint64_t{512} << 20);
  }
  return run;
}

}  // namespace cohort::reward::judge
