#include "reward/plugins/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "reward/plugins/protocol.h"

namespace cohort::reward {
namespace {

namespace fs = std::filesystem;

// Not base::TemporaryFolder: the object would live on both sides of the fork, and each would remove
// the folder; and a plug-in runs without one where none can be made. "" then.
std::string MakeTemporaryFolder() {
  std::error_code ignored;
  fs::path parent = fs::temp_directory_path(ignored);
  if (ignored) parent = "/tmp";
  std::string folder = (parent / "cohort-plugin-XXXXXX").string();
  return mkdtemp(folder.data()) == nullptr ? std::string() : folder;
}

// The end of `child`, which stays a zombie: its number is then still its own. Others are reaped.
bool ChildEnded(pid_t child, siginfo_t* info) {
  while (true) {
    siginfo_t any = {};
    if (waitid(P_ALL, 0, &any, WEXITED | WNOHANG | WNOWAIT) != 0 || any.si_pid == 0) break;
    if (any.si_pid == child) {
      *info = any;
      return true;
    }
    waitpid(any.si_pid, nullptr, 0);  // an orphan that came to us as its nearest subreaper
  }
  return false;
}

// Returns when the child ended (true) or the parent let go of the lifeline.
bool AwaitEnd(pid_t child, siginfo_t* info) {
  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  const int ends = signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK);
  while (true) {
    if (ChildEnded(child, info)) return true;
    pollfd events[] = {{kPluginLifelineFd, 0, 0}, {ends, POLLIN, 0}};
    if (poll(events, 2, -1) < 0 && errno != EINTR) return false;
    if (events[0].revents != 0) return false;
    signalfd_siginfo ignored;
    while (read(ends, &ignored, sizeof(ignored)) > 0) {
    }
  }
}

// Kills generation after generation: the orphans of each come to us, the subreaper.
void KillDescendants(pid_t child) {
  kill(-child, SIGKILL);
  const std::string list =
      "/proc/self/task/" + std::to_string(static_cast<long>(getpid())) + "/children";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (std::chrono::steady_clock::now() < deadline) {
    std::ifstream children(list);
    for (pid_t pid = 0; children >> pid;) kill(pid, SIGKILL);
    pid_t reaped = 0;
    while ((reaped = waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (reaped < 0 && errno == ECHILD) return;
    usleep(500);
  }
}

[[noreturn]] void EndAs(const siginfo_t& child) {
  if (child.si_code == CLD_EXITED) _exit(child.si_status);
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  signal(child.si_status, SIG_DFL);
  kill(getpid(), child.si_status);
  _exit(70);
}

}  // namespace

void ForkUnderSupervisor() {
  const std::string folder = MakeTemporaryFolder();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t child_signal, before;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_signal, &before);
  const pid_t supervisor = getpid();
  const pid_t child = fork();
  if (child < 0) _exit(kHostOutOfMemory);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor) _exit(0);
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    close(kPluginLifelineFd);
    if (!folder.empty()) setenv("TMPDIR", folder.c_str(), 1);
    return;
  }
  setpgid(child, child);  // by whichever of the two comes first
  close(kPluginChannelFd);
  siginfo_t info = {};
  const bool ended = AwaitEnd(child, &info);
  KillDescendants(child);
  std::error_code ignored;
  if (!folder.empty()) fs::remove_all(folder, ignored);
  if (ended) EndAs(info);
  _exit(0);
}

}  // namespace cohort::reward
