#include "reward/plugins/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "reward/plugins/protocol.h"

extern char** environ;

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;

std::string HostProgram() {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::filesystem::path host = beside / "cohort-plugin-host";
  if (!std::filesystem::exists(host)) {
    throw Error(ErrorCode::kEnvironment,
                "custom rewards need " + host.string() + ", which is missing",
                "build the target cohort-plugin-host");
  }
  return host.string();
}

// Waits for the process's end without reaping it; false when it still runs.
bool EndsWithin(pid_t pid, milliseconds limit, siginfo_t* info) {
  const Budget budget(limit);
  while (true) {
    *info = {};
    if (waitid(P_PID, static_cast<id_t>(pid), info, WEXITED | WNOHANG | WNOWAIT) != 0) return true;
    if (info->si_pid != 0) return true;
    if (budget.Exhausted()) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
}

// Spawns with all signals at their defaults, in a process group of its own, stdin empty and stdout
// on stderr: stdout may carry our JSON lines, not a plug-in's prints.
int Spawn(const std::vector<std::string>& command, int channel, int lifeline, pid_t* pid) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, channel, kPluginChannelFd);
  posix_spawn_file_actions_adddup2(&actions, lifeline, kPluginLifelineFd);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 2, 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawn(pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// Signals that a process sends to end another; a fault of its own raises others. Our own limits
// raise none: memory is bounded by failing allocations, time by an end that we know of.
bool ComesFromOutside(int signal) {
  return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP ||
         signal == SIGQUIT;
}

// Above the numbers that the child's ends get, so that neither dup2 above hits the other's source.
int RaiseAbove(int fd) {
  const int raised = fcntl(fd, F_DUPFD_CLOEXEC, kPluginLifelineFd + 1);
  close(fd);
  return raised;
}

}  // namespace

PluginChild::PluginChild(const std::vector<std::string>& arguments) { Start(arguments); }

PluginChild::~PluginChild() { KillAndReap(); }

void PluginChild::Start(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {HostProgram()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  int channel[2], lifeline[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) {
    throw Error(ErrorCode::kEnvironment, std::string("cannot make a socket: ") + strerror(errno));
  }
  if (pipe2(lifeline, O_CLOEXEC) != 0) {
    const int error = errno;
    close(channel[0]);
    close(channel[1]);
    throw Error(ErrorCode::kEnvironment, std::string("cannot make a pipe: ") + strerror(error));
  }
  channel[1] = RaiseAbove(channel[1]);
  lifeline[0] = RaiseAbove(lifeline[0]);
  channel_ = channel[0];
  lifeline_ = lifeline[1];
  const int error = Spawn(command, channel[1], lifeline[0], &supervisor_);
  close(channel[1]);
  close(lifeline[0]);
  if (error == 0) return;
  supervisor_ = -1;
  close(channel_);
  close(lifeline_);
  throw Error(ErrorCode::kEnvironment, "cannot start " + command[0] + ": " + strerror(error));
}

PluginChild::Transfer PluginChild::WaitFor(short events, const Budget& budget) {
  constexpr int kLookMs = 50;  // how long a cancelled call may go unnoticed
  while (true) {
    if (budget.Cancelled()) return Transfer::kCancelled;
    pollfd socket = {channel_, events, 0};
    const auto left = budget.Left().count();
    const int ready = poll(&socket, 1, static_cast<int>(std::min<int64_t>(left, kLookMs)));
    if (ready > 0) return Transfer::kDone;
    if (ready == 0 && left == 0) return Transfer::kOutOfTime;
    if (ready < 0 && errno != EINTR) return Transfer::kClosed;
  }
}

PluginChild::Transfer PluginChild::Send(const std::string& bytes, const Budget& budget) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t sent =
        send(channel_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<size_t>(sent);
    } else if (errno == EAGAIN) {
      const Transfer waited = WaitFor(POLLOUT, budget);
      if (waited != Transfer::kDone) return waited;
    } else if (errno != EINTR) {
      return Transfer::kClosed;
    }
  }
  return Transfer::kDone;
}

PluginChild::Transfer PluginChild::Receive(size_t size, const Budget& budget, void* into) {
  for (size_t done = 0; done < size;) {
    const Transfer waited = WaitFor(POLLIN, budget);
    if (waited != Transfer::kDone) return waited;
    const ssize_t got = recv(channel_, static_cast<char*>(into) + done, size - done, MSG_DONTWAIT);
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      return Transfer::kClosed;
    }
  }
  return Transfer::kDone;
}

PluginChild::Transfer PluginChild::ReceiveLine(size_t max_bytes, const Budget& budget,
                                               std::string* line) {
  size_t searched = 0;
  while (true) {
    const size_t newline = unread_.find('\n', searched);
    if (newline != std::string::npos) {
      *line = unread_.substr(0, newline);
      unread_.erase(0, newline + 1);
      return Transfer::kDone;
    }
    searched = unread_.size();
    if (searched > max_bytes) return Transfer::kClosed;
    const Transfer waited = WaitFor(POLLIN, budget);
    if (waited != Transfer::kDone) return waited;
    char buffer[16 * 1024];
    const ssize_t got = recv(channel_, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got > 0) {
      unread_.append(buffer, static_cast<size_t>(got));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      return Transfer::kClosed;
    }
  }
}

Grade PluginChild::Lost(Transfer transfer, const Budget& budget) {
  if (transfer == Transfer::kClosed) return Ended();
  KillAndReap();
  if (transfer == Transfer::kCancelled) return Failed(STATUS_ERROR, "the call was cancelled");
  return Failed(STATUS_TIMEOUT, "the plug-in did not answer within " +
                                    std::to_string(budget.limit().count()) + " ms");
}

Grade PluginChild::BrokeProtocol() {
  KillAndReap();
  return Failed(STATUS_CRASH, "the plug-in wrote into cohort's own channel");
}

Grade PluginChild::Ended() {
  siginfo_t info = {};
  // Its channel closes before it is a zombie. The supervisor ends as the child did.
  const bool ended = EndsWithin(supervisor_, milliseconds(1500), &info);
  KillAndReap();
  if (!ended) return Failed(STATUS_CRASH, "the plug-in closed cohort's own channel");
  if (info.si_code == CLD_EXITED) {
    if (info.si_status == kHostOutOfMemory) {
      return Failed(STATUS_MEMORY, "no memory for the sample");
    }
    return Failed(STATUS_CRASH,
                  "the plug-in ended its process with status " + std::to_string(info.si_status));
  }
  const std::string signal =
      "signal " + std::to_string(info.si_status) + " (" + strsignal(info.si_status) + ")";
  if (!ComesFromOutside(info.si_status)) {
    return Failed(STATUS_CRASH, "the plug-in crashed: " + signal);
  }
  killed_by_ = info.si_status;
  if (killed_by_ != SIGKILL) return Failed(STATUS_CRASH, "the plug-in was ended by " + signal);
  return Failed(STATUS_MEMORY, "the plug-in was killed by " + signal +
                                   ": by somebody, or because the machine's memory ran out");
}

ErrorCode PluginChild::LoadFault() const {
  return killed_by_ != 0 ? ErrorCode::kUnavailable : ErrorCode::kUsage;
}

void PluginChild::KillAndReap() {
  if (supervisor_ <= 0) return;
  close(lifeline_);
  siginfo_t info = {};
  // A supervisor that does not end is killed; the child then dies by its parent-death signal. Its
  // work takes milliseconds, but cut short it leaves a folder: a machine short of memory gets time.
  if (!EndsWithin(supervisor_, milliseconds(30'000), &info)) kill(supervisor_, SIGKILL);
  while (waitpid(supervisor_, nullptr, 0) < 0 && errno == EINTR) {
  }
  close(channel_);
  supervisor_ = channel_ = lifeline_ = -1;
  unread_.clear();
}

}  // namespace cohort::reward
