#include "reward/code/box/confine.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

namespace cohort::reward::judge {
namespace {

bool MountWorkFolder(const BoxSetUp& setup) {
  char options[128];
  std::snprintf(options, sizeof(options), "size=%llu,nr_inodes=%llu,mode=0755",
                static_cast<unsigned long long>(setup.folder_bytes),
                static_cast<unsigned long long>(setup.folder_inodes));
  // bubblewrap's own --tmpfs cannot bound the number of files.
  return mount("tmpfs", kWorkFolder, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0 &&
         mount(kWorkFolder, "/dev/shm", nullptr, MS_BIND, nullptr) == 0 && chdir(kWorkFolder) == 0;
}

bool DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
         syscall(SYS_capset, &header, none) == 0;
}

bool InstallFilter(const void* filter, size_t bytes) {
  if (bytes == 0) return true;
  sock_fprog program = {static_cast<unsigned short>(bytes / sizeof(sock_filter)),
                        static_cast<sock_filter*>(const_cast<void*>(filter))};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

bool Limit(__rlimit_resource resource, rlim_t soft, rlim_t hard) {
  rlimit limit = {};
  if (getrlimit(resource, &limit) != 0) return false;
  if (limit.rlim_max != RLIM_INFINITY && hard > limit.rlim_max) hard = limit.rlim_max;
  limit = {soft < hard ? soft : hard, hard};
  return setrlimit(resource, &limit) == 0;
}

void PreferForOutOfMemory() {
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // else the file belongs to root; exec would do it too
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t ignored = write(fd, "1000", 4);
  close(fd);
}

}  // namespace

const char* ConfineBox(const BoxSetUp& setup, const void* filter, bool weak) {
  // Else /proc/1/mem and /proc/1/fd are open to the program, which has the same user id.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return "PR_SET_DUMPABLE";
  if (!weak && !MountWorkFolder(setup)) return "mounting the work folder";
  if (!DropCapabilities()) return "dropping capabilities";
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no new privileges";
  if (!InstallFilter(filter, setup.filter_bytes)) return "installing seccomp";
  return nullptr;
}

const char* ConfineRun(const RunLimits& limits) {
  constexpr rlim_t kStack = 64 << 20;
  PreferForOutOfMemory();
  if (limits.cpu_us > 0) {
    // A second line behind the init's own measure, per process and in whole seconds.
    const rlim_t seconds = (limits.cpu_us + 999'999) / 1'000'000;
    if (!Limit(RLIMIT_CPU, seconds + 1, seconds + 2)) return "RLIMIT_CPU";
  }
  if (limits.file_bytes > 0 && !Limit(RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes)) {
    return "RLIMIT_FSIZE";
  }
  if (limits.open_files > 0 && !Limit(RLIMIT_NOFILE, limits.open_files, limits.open_files)) {
    return "RLIMIT_NOFILE";
  }
  if (limits.processes > 0 && !Limit(RLIMIT_NPROC, limits.processes + 1, limits.processes + 1)) {
    return "RLIMIT_NPROC";  // one more: the init counts too
  }
  if (limits.data_bytes > 0 && !Limit(RLIMIT_DATA, limits.data_bytes, limits.data_bytes)) {
    return "RLIMIT_DATA";
  }
  if (!Limit(RLIMIT_STACK, kStack, kStack)) return "RLIMIT_STACK";
  // 1 and not 0: where cores go to a program, 0 would not stop them (core(5)); no file is so small.
  if (!Limit(RLIMIT_CORE, 1, 1)) return "RLIMIT_CORE";
  if (!Limit(RLIMIT_MEMLOCK, 0, 0)) return "RLIMIT_MEMLOCK";
  if (!Limit(RLIMIT_MSGQUEUE, 0, 0)) return "RLIMIT_MSGQUEUE";
  if (!Limit(RLIMIT_RTPRIO, 0, 0)) return "RLIMIT_RTPRIO";
  return nullptr;
}

}  // namespace cohort::reward::judge
