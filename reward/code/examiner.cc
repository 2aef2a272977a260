#include "reward/code/examiner.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "reward/code/box/run.h"
#include "reward/code/script.h"

namespace cohort::reward::judge {
namespace {

ProgramLimits ExaminerLimits() {
  ProgramLimits limits;
  limits.memory_mb = 4096;  // of all tasks under way together; each has 1 GiB
  limits.pids = 512;
  return limits;
}

void AwaitReadyNow(Box* box) {
  constexpr int kBootMs = 10'000;
  pollfd first = {box->control(), POLLIN, 0};
  BoxReply reply;
  if (poll(&first, 1, kBootMs) == 1 &&
      recv(box->control(), &reply, sizeof(reply), 0) == sizeof(reply) &&
      reply.end == BoxEnd::kReady) {
    return;
  }
  box->Close();
  throw Error(ErrorCode::kEnvironment, "the examiner's sandbox did not start: " + box->StartError(),
              "see cohort doctor");
}

}  // namespace

Examiner::Examiner(Sandbox* sandbox)
    : sandbox_(sandbox),
      script_(ReadScripts({"known_values.py", "plain_values.py", "lent_objects.py",
                           "remote_objects.py", "test_names.py", "test_code.py",
                           "test_functions.py", "json_equality.py", "examine.py"})) {}

Examiner::~Examiner() {
  if (tasks_ >= 0) close(tasks_);
}

void Examiner::Start() {
  ++starts_;
  if (tasks_ >= 0) close(tasks_);
  tasks_ = -1;
  box_ = std::make_unique<Box>(sandbox_, ExaminerLimits());
  AwaitReadyNow(box_.get());
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    throw Error(ErrorCode::kEnvironment, std::string("cannot make a socket: ") + strerror(errno));
  }
  tasks_ = ends[0];
  fcntl(tasks_, F_SETFL, O_NONBLOCK);
  Program program;
  program.argv = {"/usr/bin/python3", "-I", "-S", "-c", script_};
  program.channel = ends[1];
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const bool started = StartProgram(box_.get(), program, 1, null, null);
  close(null);
  close(ends[1]);
  if (!started) throw Error(ErrorCode::kEnvironment, "the examiner's sandbox ended at once");
}

bool Examiner::Send(const std::string& message, const std::vector<int>& fds) {
  constexpr int kSendMs = 5'000;  // the examiner only forks between two messages
  pollfd room = {tasks_, POLLOUT, 0};
  return tasks_ >= 0 && poll(&room, 1, kSendMs) == 1 && SendPacket(tasks_, message, fds);
}

// Its box says something, or nothing ever again, only once its process has ended.
bool Examiner::Runs() const {
  pollfd ended = {box_ == nullptr ? -1 : box_->control(), POLLIN, 0};
  return box_ != nullptr && poll(&ended, 1, 0) == 0;
}

Examiner::Child Examiner::Begin(const std::string& task, int solution, int report) {
  const int file = MemoryFile(task);
  const std::lock_guard lock(mutex_);
  const uint64_t number = ++begun_;
  const std::string message = "run " + std::to_string(number);
  const std::vector<int> fds = {file, solution, report};
  try {
    bool sent = Runs() && Send(message, fds);
    if (!sent) {
      Start();
      sent = Send(message, fds);
    }
    if (!sent) throw Error(ErrorCode::kEnvironment, "the examiner takes no task");
  } catch (...) {
    close(file);
    throw;
  }
  close(file);
  return {number, starts_};
}

void Examiner::Kill(const Child& child) {
  const std::lock_guard lock(mutex_);
  if (child.start == starts_) Send("kill " + std::to_string(child.number), {});
}

bool Examiner::Survives(const Child& child) {
  const std::lock_guard lock(mutex_);
  return child.start == starts_ && Runs();
}

}  // namespace cohort::reward::judge
