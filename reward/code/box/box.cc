#include "reward/code/box/box.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/error.h"
#include "base/utf8.h"

namespace cohort::reward::judge {
namespace {

[[noreturn]] void FailToStart(const std::string& what, int error) {
  throw Error(ErrorCode::kEnvironment, "cannot start a sandbox: " + what + ": " + strerror(error));
}

// The box's world: /usr, the loader's cache, /proc of its own processes, five devices, and places
// for the folders that the init mounts.
constexpr char kBubblewrap[] =
    "/usr/bin/bwrap --unshare-all --as-pid-1 --uid 1000 --gid 1000 --hostname box --new-session "
    "--ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib "
    "--symlink usr/lib64 /lib64 --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache "
    "--ro-bind-try /etc/alternatives /etc/alternatives --proc /proc --dir /dev/shm "
    "--symlink /proc/self/fd /dev/fd --symlink /proc/self/fd/0 /dev/stdin "
    "--symlink /proc/self/fd/1 /dev/stdout --symlink /proc/self/fd/2 /dev/stderr "
    "--dev-bind /dev/null /dev/null --dev-bind /dev/zero /dev/zero --dev-bind /dev/full /dev/full "
    "--dev-bind /dev/random /dev/random --dev-bind /dev/urandom /dev/urandom --dir /tmp --chdir / "
    // The init mounts the work folder, for which it has this capability in its own namespace, and
    // drops it.
    "--remount-ro / --cap-add CAP_SYS_ADMIN";

std::vector<std::string> Arguments(const Sandbox& sandbox, const BoxSlot& slot) {
  std::string groups;
  if (slot.cgroup != nullptr) {
    for (const std::string& procs : slot.cgroup->procs()) {
      groups += (groups.empty() ? "" : ",") + procs;
    }
  }
  std::vector<std::string> arguments = {sandbox.program_path(), "launch", slot.uid,
                                        groups.empty() ? "-" : groups};
  if (sandbox.has_namespaces()) {
    std::istringstream words(kBubblewrap);
    for (std::string word; words >> word;) arguments.push_back(word);
  }
  arguments.insert(arguments.end(), {"/proc/self/fd/" + std::to_string(kProgramFd), "init"});
  if (!sandbox.has_namespaces()) arguments.push_back("weak");
  return arguments;
}

}  // namespace

int MemoryFile(std::string_view content) {
  const int fd = memfd_create("cohort", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) FailToStart("memory file", errno);
  for (size_t done = 0; done < content.size();) {
    const ssize_t written = write(fd, content.data() + done, content.size() - done);
    if (written <= 0) {
      const int error = errno;
      close(fd);
      FailToStart("memory file", error);
    }
    done += static_cast<size_t>(written);
  }
  lseek(fd, 0, SEEK_SET);
  fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return fd;
}

bool SendPacket(int socket, std::string_view packet, const std::vector<int>& fds) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPassedFds)] = {};
  iovec data = {const_cast<char*>(packet.data()), packet.size()};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(packet.size());
}

Box::Box(Sandbox* sandbox, const ProgramLimits& limits)
    : sandbox_(sandbox), slot_(sandbox->TakeSlot()), file_mb_(limits.file_mb) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    const int error = errno;
    sandbox_->GiveBack(std::move(slot_));
    FailToStart("socket", error);
  }
  control_ = ends[0];
  fcntl(control_, F_SETFL, O_NONBLOCK);
  errors_ = memfd_create("cohort-errors", MFD_CLOEXEC);
  try {
    if (!LimitGroup(limits.memory_mb, limits.pids)) FailToStart("control group", errno);
    Start(Arguments(*sandbox, slot_), ends[1]);
  } catch (...) {
    close(ends[1]);
    Close();
    throw;
  }
  close(ends[1]);
  BoxSetUp setup;
  setup.filter_bytes = static_cast<uint32_t>(sandbox->filter().size());
  setup.folder_bytes = static_cast<uint64_t>(limits.file_mb) << 20;
  setup.folder_inodes = 8192;
  Send(std::string(reinterpret_cast<const char*>(&setup), sizeof(setup)) + sandbox->filter());
}

Box::~Box() {
  Close();
  close(errors_);
}

void Box::Start(const std::vector<std::string>& arguments, int control) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  char* const no_environment[] = {nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // The sources are moved out of the way first: one of them may be the other's target.
  const int moved_control = fcntl(control, F_DUPFD_CLOEXEC, 20);
  const int moved_program = fcntl(sandbox_->program(), F_DUPFD_CLOEXEC, 20);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, errors_, 2);
  posix_spawn_file_actions_adddup2(&actions, moved_control, kControlFd);
  posix_spawn_file_actions_adddup2(&actions, moved_program, kProgramFd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawn(&pid_, argv[0], &actions, &attributes, argv.data(), no_environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(moved_control);
  close(moved_program);
  if (error != 0) {
    pid_ = -1;
    FailToStart(arguments[0], error);
  }
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
}

bool Box::LimitGroup(int64_t memory_mb, int64_t pids) {
  if (slot_.cgroup == nullptr) return true;
  constexpr int kOwn = 3;  // the launcher, bubblewrap and the init are in the group too
  return slot_.cgroup->SetMemory(memory_mb << 20) && slot_.cgroup->SetProcesses(pids + kOwn);
}

uint64_t Box::OutOfMemoryKills() const {
  return slot_.cgroup == nullptr ? 0 : slot_.cgroup->OutOfMemoryKills();
}

bool Box::Send(std::string_view packet, const std::vector<int>& fds) const {
  return SendPacket(control_, packet, fds);
}

bool Box::PutFile(const std::string& name, std::string_view content) const {
  const BoxPutFile put;
  const int fd = MemoryFile(content);
  const bool sent =
      Send(std::string(reinterpret_cast<const char*>(&put), sizeof(put)) + name, {fd});
  close(fd);
  return sent;
}

bool Box::KeepFiles() const {
  const BoxKeepFiles keep;
  return Send({reinterpret_cast<const char*>(&keep), sizeof(keep)});
}

void Box::Stop() const {
  const BoxStop stop;
  Send({reinterpret_cast<const char*>(&stop), sizeof(stop)});
}

void Box::Mark() const {
  const BoxMark mark;
  Send({reinterpret_cast<const char*>(&mark), sizeof(mark)});
}

void Box::Measure() const {
  const BoxMeasure measure;
  Send({reinterpret_cast<const char*>(&measure), sizeof(measure)});
}

void Box::NoteWaited(uint64_t waited_us) {
  waited_us_ = waited_us;
  ++measurements_;
}

void Box::Close() {
  if (control_ >= 0) close(control_);  // the init ends, and every process of its namespace with it
  control_ = -1;
  if (pid_ > 0) {
    constexpr int kGraceMs = 5000;
    pollfd ended = {pidfd_, POLLIN, 0};
    if (pidfd_ < 0 || poll(&ended, 1, kGraceMs) == 0) {
      kill(-pid_, SIGKILL);
      slot_.spoiled = true;  // what it held may outlive bubblewrap for a moment
    }
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
  if (pidfd_ >= 0) close(pidfd_);
  pidfd_ = -1;
  if (slot_.index >= 0) sandbox_->GiveBack(std::move(slot_));
  slot_ = BoxSlot();
}

std::string Box::StartError() const {
  char text[512];
  const ssize_t got = pread(errors_, text, sizeof(text), 0);
  return base::RepairUtf8({text, static_cast<size_t>(got > 0 ? got : 0)});
}

}  // namespace cohort::reward::judge
