#include "base/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/error.h"

namespace cohort::base {

ChildProcess::ChildProcess(const std::vector<std::string>& arguments,
                           const std::filesystem::path& log) {
  COHORT_CHECK(!arguments.empty(), "a child process needs a program");
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const std::string log_path = log.string();
  const pid_t parent = getpid();
  int failure_pipe[2];  // carries errno of a failed exec; closed by a successful one
  if (pipe2(failure_pipe, O_CLOEXEC) != 0) {
    throw Error(ErrorCode::kEnvironment, std::string("cannot make a pipe: ") + strerror(errno));
  }
  pid_ = fork();
  if (pid_ < 0) {
    throw Error(ErrorCode::kEnvironment, std::string("cannot start a process: ") + strerror(errno));
  }
  if (pid_ == 0) {  // child: async-signal-safe calls only
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // the parent died before prctl
    setpgid(0, 0);                        // a terminal's Ctrl-C is for the parent alone
    if (!log_path.empty()) {
      const int fd = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
      if (fd >= 0) {
        dup2(fd, 1);
        dup2(fd, 2);
      }
    }
    execv(argv[0], argv.data());
    const int error = errno;
    [[maybe_unused]] const ssize_t ignored = write(failure_pipe[1], &error, sizeof(error));
    _exit(127);
  }
  close(failure_pipe[1]);
  int error = 0;
  ssize_t got;
  do got = read(failure_pipe[0], &error, sizeof(error));
  while (got < 0 && errno == EINTR);
  close(failure_pipe[0]);
  if (got == sizeof(error)) {
    waitpid(pid_, nullptr, 0);
    throw Error(ErrorCode::kEnvironment, "cannot start " + arguments[0] + ": " + strerror(error));
  }
}

ChildProcess::~ChildProcess() {
  if (!Running()) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool ChildProcess::Running() {
  if (status_.has_value()) return false;
  int status = 0;
  const pid_t ended = waitpid(pid_, &status, WNOHANG);
  if (ended != pid_) return true;
  status_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  return false;
}

std::optional<int> ChildProcess::Wait(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (Running()) {
    if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return status_;
}

void ChildProcess::Signal(int signal) {
  if (Running()) kill(pid_, signal);
}

void ChildProcess::Stop(std::chrono::milliseconds grace) {
  Signal(SIGTERM);
  if (Wait(grace).has_value()) return;
  Signal(SIGKILL);
  Wait(std::chrono::milliseconds(5000));
}

}  // namespace cohort::base
