// The first process of a box: starts one judged program at a time, watches what all its processes
// use together, and leaves none alive when it reports the end.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "reward/code/box/confine.h"
#include "reward/code/box/folder.h"
#include "reward/code/box/launch.h"
#include "reward/code/box/protocol.h"
#include "reward/code/box/usage.h"

namespace cohort::reward::judge {
namespace {

struct Packet {
  std::vector<char> bytes;
  std::vector<int> fds;
};

// An empty packet: the judge is gone.
Packet Receive() {
  Packet packet;
  packet.bytes.resize(kMaxPacket);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPassedFds)];
  iovec data = {packet.bytes.data(), packet.bytes.size()};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  do {
    got = recvmsg(kControlFd, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  packet.bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); got > 0 && c != nullptr;
       c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    packet.fds.resize(count);
    std::memcpy(packet.fds.data(), CMSG_DATA(c), count * sizeof(int));
  }
  return packet;
}

uint64_t NowUs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

void CloseAll(const std::vector<int>& fds) {
  for (const int fd : fds) close(fd);
}

void Send(const BoxReply& reply) { send(kControlFd, &reply, sizeof(reply), MSG_NOSIGNAL); }

BoxReply FailedReply(uint32_t number, const char* what, int error) {
  BoxReply reply;
  reply.number = number;
  reply.end = BoxEnd::kFailed;
  reply.status = error;
  std::strncpy(reply.what, what, sizeof(reply.what) - 1);
  return reply;
}

// Runs in the child: all that it reports goes through `failure`, which closes when the program
// starts.
[[noreturn]] void Become(const BoxRun& run, std::vector<char*> texts, const std::vector<int>& fds,
                         int failure) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  int kept = fcntl(failure, F_DUPFD_CLOEXEC, 100);  // out of the way of 0 to 3
  std::vector<int> moved;
  for (const int fd : fds) moved.push_back(fcntl(fd, F_DUPFD_CLOEXEC, 100));
  close(kControlFd);
  for (size_t i = 0; i < moved.size(); ++i) dup2(moved[i], static_cast<int>(i));
  const char* failed = ConfineRun(run.limits);
  if (failed == nullptr) {
    std::vector<char*> argv(texts.begin(), texts.begin() + run.argc);
    std::vector<char*> envp(texts.begin() + run.argc, texts.end());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    execvpe(argv[0], argv.data(), envp.data());
    failed = "starting the program";
  }
  const BoxReply reply = FailedReply(run.number, failed, errno);
  [[maybe_unused]] const ssize_t ignored = write(kept, &reply, sizeof(reply));
  _exit(127);
}

class Init {
 public:
  explicit Init(bool weak) : weak_(weak) {}
  int Serve();
  void KillAll();

 private:
  bool SetUp(const Packet& packet);
  bool Handle(const Packet& packet);
  void PutFile(const Packet& packet);
  void RestoreFiles();
  void Start(const Packet& packet);
  void Watch();
  void ReapEnded();
  void Mark();
  BoxReply Measured(BoxEnd end, int status);
  void Finish(BoxEnd end, int status);

  const bool weak_;
  FolderImage kept_;
  int signals_ = -1;
  pid_t child_ = -1;  // the running program
  BoxRun run_;
  uint64_t cpu_before_ = 0;
  uint64_t waited_before_ = 0;
  uint64_t marked_us_ = 0;
  BoxUsage usage_;
  uint64_t peak_ = 0;
};

bool Init::SetUp(const Packet& packet) {
  BoxSetUp setup;
  if (packet.bytes.size() < sizeof(setup)) return false;
  std::memcpy(&setup, packet.bytes.data(), sizeof(setup));
  if (packet.bytes.size() != sizeof(setup) + setup.filter_bytes) return false;
  const std::vector<char> filter(packet.bytes.begin() + sizeof(setup), packet.bytes.end());
  const char* const failed = ConfineBox(setup, filter.data(), weak_);
  Send(failed == nullptr ? BoxReply() : FailedReply(0, failed, errno));
  return failed == nullptr;
}

void Init::PutFile(const Packet& packet) {
  BoxPutFile put;
  std::memcpy(&put, packet.bytes.data(), sizeof(put));
  const std::string name(packet.bytes.begin() + sizeof(put), packet.bytes.end());
  const int from = packet.fds.at(0);
  // Whatever a program left under that name, a fifo too, is neither followed nor waited for.
  unlink(name.c_str());
  const int to = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, put.mode);
  char buffer[1 << 16];
  off_t at = 0;
  for (ssize_t got; to >= 0 && (got = pread(from, buffer, sizeof(buffer), at)) > 0; at += got) {
    if (write(to, buffer, static_cast<size_t>(got)) != got) break;
  }
  if (to >= 0) close(to);
}

void Init::RestoreFiles() {
  Send(kept_.Restore() ? BoxReply() : FailedReply(0, "clearing the work folder", errno));
}

void Init::Start(const Packet& packet) {
  std::memcpy(&run_, packet.bytes.data(), sizeof(run_));
  std::vector<char> texts(packet.bytes.begin() + sizeof(run_), packet.bytes.end());
  texts.push_back('\0');
  std::vector<char*> pointers;
  char* next = texts.data();
  for (uint32_t i = 0; i < run_.argc + run_.envc && next < texts.data() + texts.size(); ++i) {
    pointers.push_back(next);
    next += std::strlen(next) + 1;
  }
  int failure[2];
  if (run_.argc == 0 || pointers.size() != run_.argc + run_.envc ||
      pipe2(failure, O_CLOEXEC) != 0) {
    Send(FailedReply(run_.number, "reading the request", EINVAL));
    return;
  }
  Mark();
  peak_ = 0;
  child_ = fork();
  if (child_ == 0) Become(run_, pointers, packet.fds, failure[1]);
  const int error = errno;
  close(failure[1]);
  BoxReply reply;
  if (child_ < 0) {
    Send(FailedReply(run_.number, "fork", error));
  } else if (read(failure[0], &reply, sizeof(reply)) == sizeof(reply)) {
    waitpid(child_, nullptr, 0);
    child_ = -1;
    Send(reply);
  }
  close(failure[0]);
}

// Until there is no child left. Orphans become children of this process.
void Init::KillAll() {
  if (!weak_) {
    kill(-1, SIGKILL);  // everyone in the namespace but this process, at once
    while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    return;
  }
  while (true) {
    for (const pid_t pid : MeasureBox().processes) kill(pid, SIGKILL);
    pid_t reaped;
    while ((reaped = waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (reaped < 0 && errno == ECHILD) return;
    usleep(1000);
  }
}

void Init::Mark() {
  usage_ = MeasureBox();
  cpu_before_ = usage_.cpu_us;
  waited_before_ = LongestWaitUs(usage_);
  marked_us_ = NowUs();
}

// The use since the mark.
BoxReply Init::Measured(BoxEnd end, int status) {
  usage_ = MeasureBox();
  BoxReply reply;
  reply.number = run_.number;
  reply.end = end;
  reply.status = status;
  reply.cpu_us = usage_.cpu_us - std::min(cpu_before_, usage_.cpu_us);
  // A program that has a core's worth of time waits for its own processes only.
  const uint64_t waited = LongestWaitUs(usage_);
  const uint64_t elapsed = NowUs() - marked_us_;
  reply.waited_us = std::min(waited - std::min(waited_before_, waited),
                             elapsed - std::min(reply.cpu_us, elapsed));
  reply.peak_bytes = peak_;
  return reply;
}

// Kills and reaps everything but this process, then reports.
void Init::Finish(BoxEnd end, int status) {
  if (child_ <= 0) return;
  const BoxReply reply = Measured(end, status);
  KillAll();
  child_ = -1;
  Send(reply);
}

void Init::ReapEnded() {
  signalfd_siginfo ignored;
  while (read(signals_, &ignored, sizeof(ignored)) > 0) {
  }
  siginfo_t info = {};
  if (child_ > 0 &&
      waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      info.si_pid == child_) {
    const bool exited = info.si_code == CLD_EXITED;
    Finish(exited ? BoxEnd::kExited : BoxEnd::kSignal, info.si_status);
    return;
  }
  while (true) {  // orphans; the program itself stays waitable until Finish
    info = {};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    if (info.si_pid == child_) return;
    waitpid(info.si_pid, nullptr, 0);
  }
}

void Init::Watch() {
  usage_ = MeasureBox();
  peak_ = std::max(peak_, usage_.resident_bytes);
  const RunLimits& limits = run_.limits;
  if (limits.cpu_us > 0 && usage_.cpu_us > cpu_before_ + limits.cpu_us) {
    Finish(BoxEnd::kCpu, 0);
  } else if (limits.memory_bytes > 0 && usage_.resident_bytes > limits.memory_bytes &&
             ProportionalBytes(usage_) > limits.memory_bytes) {
    Finish(BoxEnd::kMemory, 0);
  }
}

bool Init::Handle(const Packet& packet) {
  BoxMessage message;
  if (packet.bytes.size() < sizeof(message)) return false;
  std::memcpy(&message, packet.bytes.data(), sizeof(message));
  switch (message) {
    case BoxMessage::kPutFile:
      if (packet.bytes.size() > sizeof(BoxPutFile) && packet.fds.size() == 1) PutFile(packet);
      break;
    case BoxMessage::kRun:
      if (packet.bytes.size() >= sizeof(BoxRun) && child_ < 0) Start(packet);
      break;
    case BoxMessage::kMark:
      Mark();
      break;
    case BoxMessage::kMeasure:
      if (child_ > 0) Send(Measured(BoxEnd::kMeasured, 0));
      break;
    case BoxMessage::kStop:
      Finish(BoxEnd::kStopped, 0);
      break;
    case BoxMessage::kKeepFiles:
      kept_ = FolderImage::OfCurrentFolder();
      break;
    case BoxMessage::kRestoreFiles:
      if (child_ < 0) RestoreFiles();
      break;
    default:
      return false;
  }
  return true;
}

int Init::Serve() {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  signals_ = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  signal(SIGPIPE, SIG_IGN);
  Packet packet = Receive();
  if (!SetUp(packet)) return 1;
  constexpr int kLookMs = 10;
  while (true) {
    pollfd waits[2] = {{kControlFd, POLLIN, 0}, {signals_, POLLIN, 0}};
    if (poll(waits, 2, child_ > 0 ? kLookMs : -1) < 0 && errno != EINTR) return 1;
    if (waits[1].revents != 0) ReapEnded();
    if (waits[0].revents != 0) {
      packet = Receive();
      const bool served = !packet.bytes.empty() && Handle(packet);
      CloseAll(packet.fds);
      if (!served) return 0;  // the kernel kills every process of the box with this one
    }
    if (child_ > 0) Watch();
  }
}

}  // namespace

int RunBoxInit(bool weak) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  fcntl(kControlFd, F_SETFD, FD_CLOEXEC);
  const int null = open("/dev/null", O_RDWR);
  if (null < 0) return 1;
  for (int fd = 0; fd <= 2; ++fd) dup2(null, fd);
  close_range(kControlFd + 1, ~0u, 0);
  Init init(weak);
  if (!weak) return init.Serve();
  // Not base::TemporaryFolder: this program is linked statically, without the base library's gRPC.
  char folder[] = "/tmp/cohort-judge-XXXXXX";
  if (mkdtemp(folder) == nullptr || chdir(folder) != 0) return 1;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const int status = init.Serve();
  init.KillAll();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return status;
}

}  // namespace cohort::reward::judge
