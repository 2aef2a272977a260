// Submissions that try to see, reach or change something outside their box. Each prints "held" when
// every attempt failed, so that a pass is the box's, not the program's.

#include <gmock/gmock.h>

#include "tests/reward/code/judge_case.h"

namespace cohort::reward::judge {
namespace {

class CodeEscape : public SandboxTest {
 protected:
  static void Holds(const std::string& code) {
    const Grade grade = GradeCode(code, StdinTests({{"", "held\n"}}));
    EXPECT_EQ(grade.score, 1) << grade.detail << "\n" << code;
  }
};

TEST_F(CodeEscape, SeesNoFileOfTheHost) {
  Holds(R"(
import os
bad = []
for path in ("/root", "/home", "/etc/passwd", "/etc/shadow", "/etc/hosts", "/var", "/srv", "/opt", "/mnt", "/run",
             "/sys", "/boot", "/lib/modules/x", "/proc/1/root/etc", "/proc/1/cwd", "/proc/kcore",
             "/proc/kmsg", "/dev/sda", "/dev/vda", "/dev/mem", "/dev/kvm", "/dev/tty", "/dev/ptmx", "/dev/fuse"):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(16)
        bad.append(path)
    except OSError: pass
print(bad or "held"))");
  Holds(R"(
import os
top = set(os.listdir("/")) - {"bin", "dev", "etc", "lib", "lib64", "proc", "sbin", "tmp", "usr"}
etc = set(os.listdir("/etc")) - {"ld.so.cache", "alternatives"}
print(top or etc or "held"))");
}

TEST_F(CodeEscape, SeesNoProcessButItsOwn) {
  Holds(R"(
import os
seen = {int(d) for d in os.listdir("/proc") if d.isdigit()}
print("held" if seen == {1, os.getpid()} else seen))");
}

TEST_F(CodeEscape, ItsFirstProcessIsClosedToIt) {
  Holds(R"(
import os, signal
bad = []
for name in ("mem", "environ", "maps", "fd", "fdinfo", "exe", "cwd", "root", "ns/user", "stack", "auxv"):
    try:
        path = "/proc/1/" + name
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
        bad.append(name)
    except OSError: pass
for kind in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGCHLD):
    try: os.kill(1, kind)
    except OSError: pass
print(bad or "held"))");
}

TEST_F(CodeEscape, WritesOnlyInItsFolder) {
  Holds(R"(
import os
bad = []
for folder, inner, _ in os.walk("/"):
    if folder.startswith(("/proc", "/tmp", "/usr", "/dev/shm", "/dev/fd")):
        inner.clear()
        continue
    try:
        open(folder + "/x", "w").close(); bad.append(folder)
    except OSError: pass
for path in ("/usr/x", "/usr/bin/python3", "/usr/lib/python3/dist-packages/x.pth", "/dev/null/x", "/proc/self/../x"):
    try: open(path, "r+b" if os.path.exists(path) else "wb").close(); bad.append(path)
    except OSError: pass
open("/tmp/x", "w").close(); open("/dev/shm/y", "w").close()
print(bad or "held"))");
}

TEST_F(CodeEscape, HasNoCapabilityAndNoWayToOne) {
  Holds(R"(
import ctypes, os
status = dict(l.split(":\t") for l in open("/proc/self/status").read().splitlines() if ":\t" in l)
bad = [k for k in ("CapEff", "CapPrm", "CapInh", "CapAmb") if int(status[k], 16)]
if status["NoNewPrivs"] != "1" or status["Seccomp"] != "2": bad.append("no filter")
libc = ctypes.CDLL(None)
for name, call in (("unshare", lambda: libc.unshare(0x10000000)), ("chroot", lambda: libc.chroot(b"/tmp")),
                   ("setuid", lambda: libc.setuid(0)), ("mount", lambda: libc.mount(b"x", b"/tmp", b"tmpfs", 0, None)),
                   ("umount", lambda: libc.umount2(b"/tmp", 2)), ("hostname", lambda: libc.sethostname(b"x", 1)),
                   ("mknod", lambda: libc.mknod(b"/tmp/d", 0o20666, 0x103)), ("setns", lambda: libc.setns(0, 0))):
    if call() == 0: bad.append(name)
if libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0) >= 0: bad.append("clone")
if libc.syscall(435, 0, 0) >= 0: bad.append("clone3")
print(bad or "held"))");
}

TEST_F(CodeEscape, ReachesNoNetworkOfTheHost) {
  // Loopback alone is tried: the host's services listen there.
  Holds(R"(
import socket
bad = []
lines = open("/proc/net/dev").read().splitlines()[2:]
bad += [line for line in lines if line.split(":")[0].strip() != "lo"]
for port in (22, 53, 80, 111, 443, 3128, 7070, 8080):
    s = socket.socket(); s.settimeout(0.2)
    if s.connect_ex(("127.0.0.1", port)) == 0: bad.append(port)
    s.close()
for family, kind in ((socket.AF_NETLINK, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW), (40, socket.SOCK_STREAM),
                     (38, socket.SOCK_SEQPACKET), (socket.AF_INET, socket.SOCK_RAW)):
    try: socket.socket(family, kind); bad.append(family)
    except OSError: pass
print(bad or "held"))");
}

TEST_F(CodeEscape, ReachesNoUnixSocketOfTheHost) {
  Holds(R"(
import socket
bad = []
for name in open("/proc/net/unix").read().splitlines()[1:]:
    path = name.split()[-1]
    if path.startswith(("@", "/")): bad.append(path)
print(bad or "held"))");
}

TEST_F(CodeEscape, HoldsNoDescriptorButItsOwn) {
  Holds(R"(
import os
held = []
for fd in range(1024):
    try: os.fstat(fd); held.append(fd)
    except OSError: pass
print("held" if held == [0, 1, 2] else held))");
}

TEST_F(CodeEscape, CannotChangeItsInputOrRaiseItsLimits) {
  Holds(R"(
import os, resource
bad = []
try: os.write(os.open("/proc/self/fd/0", os.O_RDWR), b"x"); bad.append("stdin")
except OSError: pass
for name in ("CPU", "FSIZE", "NOFILE", "CORE", "NPROC", "STACK", "MEMLOCK"):
    kind = getattr(resource, "RLIMIT_" + name); hard = resource.getrlimit(kind)[1]
    if hard == resource.RLIM_INFINITY: bad.append(name); continue
    try: resource.setrlimit(kind, (hard, hard + 1)); bad.append(name)
    except (ValueError, OSError): pass
print(bad or "held"))");
}

TEST_F(CodeEscape, ACompilerLeaksNoFileAndNoName) {
  for (const char* const code :
       {"#include \"/etc/passwd\"\nint main() {}", "#include \"/proc/1/environ\"\nint main() {}",
        "asm(\".incbin \\\"/etc/shadow\\\"\");\nint main() {}"}) {
    Json columns = StdinTests({{"", ""}});
    columns["language"] = "cpp";
    const Grade grade = GradeCode(code, columns);
    EXPECT_EQ(grade.tests->verdict(), "compile_error") << code;
    EXPECT_THAT(grade.detail, testing::Not(testing::HasSubstr("root:"))) << code;
  }
}

TEST_F(CodeEscape, NothingOfOneSubmissionIsThereForTheNext) {
  GradeCode(
      "open('/tmp/left', 'w').write('x')\nopen('/dev/shm/left', 'w').write('x')\nprint('held')",
      StdinTests({{"", "held\n"}}));
  Holds(R"(
import os
left = set(os.listdir("/tmp") + os.listdir("/dev/shm")) - {"solution.py"}
print(left or "held"))");
}

}  // namespace
}  // namespace cohort::reward::judge
