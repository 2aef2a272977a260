#include "reward/code/call_judge.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/error.h"
#include "base/json_lines.h"
#include "reward/code/script.h"

namespace cohort::reward::judge {
namespace {

namespace asio = boost::asio;
using asio::use_awaitable;
using asio::experimental::awaitable_operators::operator&&;
using asio::posix::stream_descriptor;
using std::chrono::milliseconds;

// The results that one child of the examiner reported, from test `first` on.
struct CallRound {
  size_t first = 0;
  std::optional<size_t> begun;      // the test under way
  bool loaded = false;              // the submission's top level is done
  bool late = false;                // the test under way met its wall limit
  bool died = false;                // the submission's process ended in the test under way
  std::optional<TestResult> rest;   // a result for all tests from `begun` on
  std::vector<TestResult> results;  // of the tests from `first` on
  std::string malformed;
};

const char* ModeName(const CodeTask& task) {
  return task.mode == TestMode::kCall ? "call" : "assert";
}

std::string TaskText(const CodeTask& task, size_t first) {
  const bool is_float = task.compare.method == Compare::Method::kFloat;
  const bool lenient = task.compare.method == Compare::Method::kSequenceLenient;
  return base::DumpJson({{"mode", ModeName(task)},
                         {"first", first},
                         {"tests", task.tests},
                         {"entry", task.entry},
                         {"setup", task.setup},
                         {"preamble", task.preamble},
                         {"compare", is_float ? "float" : (lenient ? "sequence_lenient" : "")},
                         {"tolerance", task.compare.tolerance},
                         {"stop_early", task.stop_early}});
}

TestVerdict VerdictNamed(const std::string& name) {
  for (const TestVerdict verdict : {TestVerdict::kAccepted, TestVerdict::kWrongAnswer,
                                    TestVerdict::kOutputLimit, TestVerdict::kCompileError}) {
    if (name == VerdictName(verdict)) return verdict;
  }
  return TestVerdict::kRuntimeError;
}

// One line of examine.py's report.
void Note(const std::string& line, CallRound* round) {
  std::istringstream words(line);
  std::string kind, verdict;
  words >> kind;
  const auto detail = [&] {
    std::string rest;
    std::getline(words >> std::ws, rest);
    return rest;
  };
  if (kind == "B") {
    size_t index = 0;
    words >> index;
    round->begun = index;
  } else if (kind == "L") {
    round->loaded = true;
  } else if (kind == "M") {
    round->malformed = detail();
  } else if (kind == "E" || kind == "A") {
    size_t index = 0;
    if (kind == "E") words >> index;
    words >> verdict;
    round->died = verdict == "died";
    if (round->died) return;
    const TestResult result = {VerdictNamed(verdict), detail()};
    if (kind == "A") {
      round->rest = result;
    } else {
      round->results.push_back(result);
      round->begun.reset();
    }
  }
}

// The socket and the pipe of a round; what is the child's is closed here once it has its own.
struct Channels {
  int solution[2] = {-1, -1};  // the examiner's end, the submission's
  int report[2] = {-1, -1};    // read end, the examiner's
  Channels() {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, solution) != 0 ||
        pipe2(report, O_CLOEXEC) != 0) {
      throw Error(ErrorCode::kEnvironment,
                  std::string("cannot make a channel: ") + strerror(errno));
    }
  }
  ~Channels() {
    for (int* const fd : {&solution[0], &solution[1], &report[0], &report[1]}) Close(fd);
  }
  static void Close(int* fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
};

// However a round ends, no child of the examiner is left in test code that never ends.
struct ChildGuard {
  Examiner* const examiner;
  const Examiner::Child child;
  ~ChildGuard() { examiner->Kill(child); }
};

// The test under way and its time. Shared with the sleepers that wait for the time's end: one that
// wakes up after its test is over finds another turn.
struct TestWatch {
  Submission* submission;
  Examiner* examiner;
  Examiner::Child child;
  CallRound* round;
  uint64_t turn = 0;

  void StopProgram() const {  // the box may be gone already, with the submission's process
    if (submission->box() != nullptr) submission->box()->Stop();
  }
};

asio::awaitable<void> EndWhenLate(std::shared_ptr<TestWatch> watch, uint64_t turn) {
  const auto box = [watch, turn] {
    return watch->turn == turn ? watch->submission->box() : nullptr;
  };
  const milliseconds wall(watch->submission->limits().wall_ms);
  co_await SleepWhileItRuns(box, wall);
  if (watch->turn != turn) co_return;
  watch->round->late = true;
  watch->examiner->Kill(watch->child);
  watch->StopProgram();
}

// However the following ends, no sleeper finds its turn afterwards.
struct LastTurn {
  const std::shared_ptr<TestWatch> watch;
  ~LastTurn() { ++watch->turn; }
};

// Follows the report to its end; the submission's process is told to stop then.
asio::awaitable<void> Follow(stream_descriptor* report, std::shared_ptr<TestWatch> watch) {
  const auto executor = co_await asio::this_coro::executor;
  const LastTurn last{watch};
  std::string line;
  std::vector<char> buffer(4096);
  const auto begin = [&] {
    asio::co_spawn(executor, EndWhenLate(watch, ++watch->turn), asio::detached);
  };
  begin();
  while (true) {
    boost::system::error_code error;
    const size_t got = co_await report->async_read_some(asio::buffer(buffer),
                                                        asio::redirect_error(use_awaitable, error));
    if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
    if (error) break;
    for (size_t i = 0; i < got && !watch->round->late; ++i) {
      if (buffer[i] != '\n') {
        line += buffer[i];
        continue;
      }
      Note(line, watch->round);
      if (line.starts_with("B ")) {
        if (watch->submission->box() != nullptr) watch->submission->box()->Mark();
        begin();
      }
      line.clear();
    }
  }
  watch->StopProgram();
}

Program ServerProgram(const CodeTask& task, const Submission& submission, int channel,
                      bool has_group) {
  static const std::string script =
      ReadScripts({"known_values.py", "plain_values.py", "lent_objects.py", "library_names.py",
                   "serve_solution.py"});
  Program server;
  server.argv = {"/usr/bin/python3",         "-I",          "-S", "-c", script,
                 submission.language().file, ModeName(task)};
  server.channel = channel;
  server.limits = RunLimitsOf(submission.limits(), has_group);
  server.wall = std::chrono::hours(1);  // each test has its own limit
  server.stdout_bytes = static_cast<size_t>(submission.limits().stdout_bytes);
  return server;
}

// The result of the test that a round ended in, if it ended in one.
std::optional<TestResult> Unfinished(const CallRound& round, const RunResult& run) {
  if (!round.begun) return std::nullopt;
  if (round.rest) return round.rest;
  if (round.late) return TestResult{TestVerdict::kTimeLimit, "the wall time is over"};
  TestResult result = VerdictOf(run);
  if (result.verdict == TestVerdict::kAccepted || run.reply.end == BoxEnd::kStopped) {
    result = {TestVerdict::kRuntimeError,
              round.died ? "it ended before it answered" : "the tests broke off at its answer"};
  }
  return result;
}

}  // namespace

asio::awaitable<void> JudgeCalls(const CodeTask& task, Submission* submission, Examiner* examiner,
                                 Judgement* judgement) {
  const size_t total = task.total();
  while (judgement->results.size() < total &&
         !(task.stop_early && judgement->FirstFailure() != nullptr)) {
    Box* const box = co_await submission->Prepare();
    if (box == nullptr) {
      judgement->results.resize(total, submission->compile_error());
      co_return;
    }
    if (!task.preamble.empty()) box->PutFile("prompt.py", task.preamble);
    if (task.mode == TestMode::kCall && !task.setup.empty()) box->PutFile("setup.py", task.setup);
    CallRound round;
    round.first = judgement->results.size();
    Channels channels;
    const Program server = ServerProgram(task, *submission, channels.solution[1], box->has_group());
    const Examiner::Child child =
        examiner->Begin(TaskText(task, round.first), channels.solution[0], channels.report[1]);
    const ChildGuard guard{examiner, child};
    Channels::Close(&channels.solution[0]);
    Channels::Close(&channels.report[1]);
    stream_descriptor report(co_await asio::this_coro::executor,
                             std::exchange(channels.report[0], -1));
    RunResult run;
    const auto serve = [&]() -> asio::awaitable<void> {
      run = co_await submission->Run(server);
      Channels::Close(&channels.solution[1]);
    };
    const auto watch = std::make_shared<TestWatch>(TestWatch{submission, examiner, child, &round});
    co_await (serve() && Follow(&report, watch));

    if (!round.malformed.empty()) throw Error(ErrorCode::kUsage, round.malformed);
    const bool broke_off = round.begun && !round.rest && !round.late && !round.died;
    if (broke_off && !examiner->Survives(child)) {
      throw Error(ErrorCode::kEnvironment, "the examiner ended");
    }
    if (!round.begun && round.results.empty()) {
      throw Error(ErrorCode::kEnvironment, "the examiner ended without a word");
    }
    for (TestResult& result : round.results) judgement->results.push_back(std::move(result));
    const auto unfinished = Unfinished(round, run);
    const bool for_all = round.rest.has_value() || !round.loaded;
    while (unfinished && judgement->results.size() < total) {
      judgement->results.push_back(*unfinished);
      if (!for_all) break;
    }
    submission->DropBox();
  }
}

}  // namespace cohort::reward::judge
