#include "reward/plugin_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/utf8.h"
#include "reward/plugin_protocol.h"

extern char** environ;

namespace cohort::reward {
namespace {

std::filesystem::path HostProgram() {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::filesystem::path host = beside / "cohort-plugin-host";
  if (!std::filesystem::exists(host)) {
    throw Error(ErrorCode::kEnvironment,
                "custom rewards need " + host.string() + ", which is missing",
                "build the target cohort-plugin-host");
  }
  return host;
}

std::string Encode(const PluginRequest& request, const std::string_view (&texts)[5]) {
  std::string bytes(reinterpret_cast<const char*>(&request), sizeof(request));
  for (const std::string_view text : texts) {
    bytes += text;
    bytes += '\0';
  }
  return bytes;
}

Grade ToGrade(const PluginReply& reply) {
  const std::string detail =
      base::RepairUtf8({reply.detail, strnlen(reply.detail, sizeof(reply.detail))});
  switch (reply.outcome) {
    case PluginOutcome::kOk:
      if (std::isfinite(reply.score)) return {reply.score, STATUS_OK, detail};
      return Failed(STATUS_ERROR, std::string("the plug-in answered ") +
                                      (std::isnan(reply.score) ? "NaN" : "an infinite score"));
    case PluginOutcome::kUnparseable:
      return Failed(STATUS_UNPARSEABLE, detail);
    case PluginOutcome::kOutOfMemory:
      return Failed(STATUS_MEMORY, "the plug-in: " + detail);
    case PluginOutcome::kError:
      break;
  }
  return Failed(STATUS_ERROR, "the plug-in: " + (detail.empty() ? "failed" : detail));
}

}  // namespace

PluginProcess::PluginProcess(const PluginSettings& settings, const Budget& budget)
    : settings_(settings) {
  Start(HostProgram().string());
  PluginReply hello = {};
  const Transfer transfer = Receive(&hello, sizeof(hello), budget);
  if (transfer == Transfer::kDone && hello.outcome == PluginOutcome::kOk) return;
  const std::string why =
      transfer == Transfer::kDone ? std::string(hello.detail) : Lost(transfer, budget).detail;
  KillAndReap();
  throw Error(ErrorCode::kUsage, "cannot load the plug-in " + settings_.path.string() + ": " + why);
}

PluginProcess::~PluginProcess() { KillAndReap(); }

void PluginProcess::Start(const std::string& host) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw Error(ErrorCode::kEnvironment, std::string("cannot make a socket: ") + strerror(errno));
  }
  socket_ = ends[0];
  const std::string path = settings_.path.string();
  const std::string memory = std::to_string(settings_.memory_mib);
  char* argv[] = {const_cast<char*>(host.c_str()), const_cast<char*>(path.c_str()),
                  const_cast<char*>(memory.c_str()), nullptr};

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], kPluginHostFd);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 2,
                                   1);  // stdout carries our JSON lines, not its prints
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
  const int error = posix_spawn(&pid_, host.c_str(), &actions, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    pid_ = -1;
    close(socket_);
    throw Error(ErrorCode::kEnvironment, "cannot start " + host + ": " + strerror(error));
  }
}

Grade PluginProcess::Score(const Sample& sample, const Budget& budget) {
  const std::string_view texts[5] = {sample.prompt(), sample.completion(), sample.answer(),
                                     sample.columns_json(), settings_.config};
  PluginRequest request = {++number_, sample.sample_id(), {}};
  for (int i = 0; i < 5; ++i) {
    if (texts[i].size() > kMaxPluginText) return Failed(STATUS_ERROR, "the sample is too large");
    request.sizes[i] = texts[i].size();
  }
  Transfer transfer = Send(Encode(request, texts), budget);
  if (transfer != Transfer::kDone) return Lost(transfer, budget);
  PluginReply reply;
  transfer = Receive(&reply, sizeof(reply), budget);
  if (transfer != Transfer::kDone) return Lost(transfer, budget);
  if (reply.number != number_) {
    KillAndReap();
    return Failed(STATUS_CRASH, "the plug-in wrote into cohort's own channel");
  }
  return ToGrade(reply);
}

PluginProcess::Transfer PluginProcess::WaitFor(short events, const Budget& budget) {
  constexpr int kLookMs = 50;  // how long a cancelled call may go unnoticed
  while (true) {
    if (budget.Cancelled()) return Transfer::kCancelled;
    pollfd socket = {socket_, events, 0};
    const auto left = budget.Left().count();
    const int ready = poll(&socket, 1, static_cast<int>(std::min<int64_t>(left, kLookMs)));
    if (ready > 0) return Transfer::kDone;
    if (ready == 0 && left == 0) return Transfer::kOutOfTime;
    if (ready < 0 && errno != EINTR) return Transfer::kClosed;
  }
}

PluginProcess::Transfer PluginProcess::Send(const std::string& bytes, const Budget& budget) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t sent =
        send(socket_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
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

PluginProcess::Transfer PluginProcess::Receive(void* into, size_t size, const Budget& budget) {
  for (size_t done = 0; done < size;) {
    const Transfer waited = WaitFor(POLLIN, budget);
    if (waited != Transfer::kDone) return waited;
    const ssize_t got = recv(socket_, static_cast<char*>(into) + done, size - done, MSG_DONTWAIT);
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      return Transfer::kClosed;
    }
  }
  return Transfer::kDone;
}

// The sample's grade after a failed transfer; the process is gone afterwards.
Grade PluginProcess::Lost(Transfer transfer, const Budget& budget) {
  if (transfer == Transfer::kClosed) return Ended();
  KillAndReap();
  if (transfer == Transfer::kCancelled) return Failed(STATUS_ERROR, "the call was cancelled");
  return Failed(STATUS_TIMEOUT, "the plug-in did not answer within " +
                                    std::to_string(budget.limit().count()) + " ms");
}

Grade PluginProcess::Ended() {
  const Budget grace{std::chrono::milliseconds(1000)};  // its socket closes before it is a zombie
  siginfo_t info = {};
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0 && !grace.Exhausted()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  KillAndReap();
  if (info.si_pid == 0) return Failed(STATUS_CRASH, "the plug-in closed cohort's own channel");
  if (info.si_code == CLD_EXITED) {
    if (info.si_status == kHostOutOfMemory)
      return Failed(STATUS_MEMORY, "no memory for the sample");
    return Failed(STATUS_CRASH,
                  "the plug-in ended its process with status " + std::to_string(info.si_status));
  }
  if (info.si_status == SIGKILL) {
    return Failed(STATUS_MEMORY, "the plug-in was killed, most likely because memory ran out");
  }
  return Failed(STATUS_CRASH, "the plug-in crashed: signal " + std::to_string(info.si_status) +
                                  " (" + strsignal(info.si_status) + ")");
}

void PluginProcess::KillAndReap() {
  if (pid_ <= 0) return;
  kill(-pid_, SIGKILL);  // before the reaping, while the group's number is still ours
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  close(socket_);
  pid_ = -1;
  socket_ = -1;
}

}  // namespace cohort::reward
