#include "reward/code/box/launch.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "reward/code/box/protocol.h"

namespace cohort::reward::judge {
namespace {

int Fail(const std::string& what) {
  std::fprintf(stderr, "cohort-box: %s: %s\n", what.c_str(), std::strerror(errno));
  return 1;
}

bool JoinCgroup(const std::string& procs) {
  const int fd = open(procs.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool joined = write(fd, "0", 1) == 1;
  close(fd);
  return joined;
}

}  // namespace

int LaunchBox(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "cohort-box is started by cohort\n");
    return 2;
  }
  const std::string groups = argv[3];
  for (size_t from = 0; groups != "-" && from < groups.size();) {
    const size_t comma = std::min(groups.find(',', from), groups.size());
    const std::string procs = groups.substr(from, comma - from);
    if (!JoinCgroup(procs)) return Fail(procs);
    from = comma + 1;
  }
  if (std::strcmp(argv[2], "-") != 0) {
    const uid_t uid = static_cast<uid_t>(std::strtoul(argv[2], nullptr, 10));
    if (setgroups(0, nullptr) != 0 || setresgid(uid, uid, uid) != 0 ||
        setresuid(uid, uid, uid) != 0) {
      return Fail("becoming user " + std::string(argv[2]));
    }
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // The box's outer process inherits no file that the service has open.
  close_range(kControlFd + 1, kProgramFd - 1, 0);
  close_range(kProgramFd + 1, ~0u, 0);
  char* const no_environment[] = {nullptr};
  execve(argv[4], argv + 4, no_environment);
  return Fail(argv[4]);
}

}  // namespace cohort::reward::judge
