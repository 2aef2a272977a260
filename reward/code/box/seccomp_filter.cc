#include "reward/code/box/seccomp_filter.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/error.h"

namespace cohort::reward::judge {
namespace {

constexpr const char* kForbidden[] = {
    // other processes' memory
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_getfd",
    "process_madvise",
    // the kernel's own machinery
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "add_key",
    "request_key",
    "keyctl",
    "reboot",
    "acct",
    "syslog",
    "swapon",
    "swapoff",
    "quotactl",
    "quotactl_fd",
    "lookup_dcookie",
    "personality",
    "modify_ldt",
    "iopl",
    "ioperm",
    "vhangup",
    "nfsservctl",
    "uselib",
    "ustat",
    "sysfs",
    // io_uring reaches sockets without this filter
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    // mounts and namespaces
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "name_to_handle_at",
    "open_by_handle_at",
    "fanotify_init",
    "fanotify_mark",
    // memory that neither the quota of the work folder nor a limit of data sees
    "memfd_create",
    "memfd_secret",
    "shmget",
    "shmat",
    "shmctl",
    "msgget",
    "semget",
    // clocks and names
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "sethostname",
    "setdomainname",
};

constexpr unsigned long kNamespaceFlags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
                                          CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                                          CLONE_NEWCGROUP | 0x80 /* CLONE_NEWTIME */;

using Context = std::unique_ptr<void, decltype(&seccomp_release)>;

void Check(int result, const char* what) {
  if (result < 0) {
    throw Error(ErrorCode::kEnvironment,
                std::string("cannot build the system call filter: ") + what);
  }
}

void Refuse(void* context, int error, const char* name) {
  const int call = seccomp_syscall_resolve_name(name);
  if (call == __NR_SCMP_ERROR) return;  // this libseccomp is older than the call
  Check(seccomp_rule_add(context, SCMP_ACT_ERRNO(error), call, 0), name);
}

void AddSocketRules(void* context, bool internet) {
  const int call = SCMP_SYS(socket);
  constexpr scmp_datum_t kFamilies = 64;  // above every address family there is
  for (scmp_datum_t family = 0; family < kFamilies; ++family) {
    const bool is_internet = family == AF_INET || family == AF_INET6;
    if (family == AF_UNIX || (is_internet && internet)) continue;
    Check(seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1,
                           SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffffu, family)),
          "socket");
  }
  Check(seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), call, 1,
                         SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW)),
        "raw sockets");
}

void AddRules(void* context, bool internet) {
  for (const char* const name : kForbidden) Refuse(context, EPERM, name);
  Refuse(context, ENOSYS, "clone3");
  for (int bit = 0; bit < 32; ++bit) {
    const unsigned long flag = 1ul << bit;
    if ((flag & kNamespaceFlags) == 0) continue;
    Check(seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                           SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)),
          "clone");
  }
  for (const unsigned long request :
       {static_cast<unsigned long>(TIOCSTI), 0x541Cul /*TIOCLINUX*/}) {
    Check(seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                           SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, request)),
          "ioctl");
  }
  AddSocketRules(context, internet);
}

std::string Export(void* context) {
  const int fd = memfd_create("filter", MFD_CLOEXEC);
  std::string program;
  const bool exported = fd >= 0 && seccomp_export_bpf(context, fd) == 0;
  char buffer[4096];
  off_t at = 0;
  for (ssize_t got; exported && (got = pread(fd, buffer, sizeof(buffer), at)) > 0; at += got) {
    program.append(buffer, static_cast<size_t>(got));
  }
  if (fd >= 0) close(fd);
  if (program.empty()) throw Error(ErrorCode::kEnvironment, "cannot export the system call filter");
  return program;
}

}  // namespace

std::string SeccompFilter(bool internet) {
  // EFAULT: the kernel knows filters and looked at the missing program.
  const bool known =
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr, 0, 0) != 0 && errno == EFAULT;
  if (!known) return "";
  const Context context(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
  if (context == nullptr) throw Error(ErrorCode::kEnvironment, "libseccomp cannot start a filter");
  Check(seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)),
        "other architectures");
  AddRules(context.get(), internet);
  return Export(context.get());
}

}  // namespace cohort::reward::judge
