// Submissions that take more than they may: each is stopped with the verdict of its limit.

#include <gmock/gmock.h>

#include "tests/reward/code/judge_case.h"

namespace cohort::reward::judge {
namespace {

using testing::AnyOf;

const Json kLimits = {{"wall_ms", 1500},         {"cpu_ms", 500}, {"memory_mb", 128}, {"pids", 16},
                      {"stdout_bytes", 100'000}, {"file_mb", 8},  {"open_files", 64}};

class CodeLimits : public SandboxTest {
 protected:
  static std::string PythonVerdict(const std::string& code) {
    return VerdictOf(code, WithLimits(StdinTests({{"", "ok\n"}}), kLimits));
  }
  static std::string CppVerdict(const std::string& code) {
    Json columns = WithLimits(StdinTests({{"", "ok\n"}}), kLimits);
    columns["language"] = "cpp";
    return VerdictOf(code, columns);
  }
};

TEST_F(CodeLimits, TimeIsMeasuredOnTheWallAndOnTheCpu) {
  EXPECT_EQ(PythonVerdict("while True: pass"), "time_limit");
  EXPECT_EQ(PythonVerdict("import time\ntime.sleep(60)"), "time_limit");
  EXPECT_EQ(PythonVerdict("import sys\nsys.stdin.read()\nimport select\nselect.select([], [], [])"),
            "time_limit");
  EXPECT_EQ(PythonVerdict("import threading\nthreading.Event().wait()"), "time_limit");
  EXPECT_EQ(PythonVerdict("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"), "time_limit");
  EXPECT_EQ(PythonVerdict(
                "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n"
                "    except (OSError, ValueError): pass\nwhile True: pass"),
            "time_limit");
  EXPECT_EQ(PythonVerdict("print(10 ** (10 ** 9) % 7)"), "time_limit");
}

TEST_F(CodeLimits, ChildrenCountWithTheirParent) {
  EXPECT_EQ(
      PythonVerdict(
          "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        while True: pass\n"
          "time.sleep(60)"),
      "time_limit");
  EXPECT_EQ(
      PythonVerdict("import os\nwhile True:\n    if os.fork() == 0: os._exit(0)\n    os.wait()"),
      "time_limit");
  EXPECT_THAT(PythonVerdict("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
              AnyOf("time_limit", "memory_limit"));
  EXPECT_THAT(CppVerdict("#include <unistd.h>\nint main() { for (;;) if (fork() == 0) setsid(); }"),
              AnyOf("time_limit", "memory_limit"));
  EXPECT_THAT(
      PythonVerdict(
          "import threading, time\n[threading.Thread(target=time.sleep, args=(60,)).start() "
          "for _ in range(1000)]"),
      AnyOf("runtime_error", "time_limit"));
}

TEST_F(CodeLimits, MemoryIsBounded) {
  EXPECT_EQ(PythonVerdict("x = bytearray(1 << 30)\nprint('ok')"), "memory_limit");
  EXPECT_EQ(PythonVerdict("x = []\nwhile True: x.append(bytearray(b'x') * (1 << 20))"),
            "memory_limit");
  EXPECT_EQ(CppVerdict("#include <vector>\nint main() { std::vector<std::vector<char>> v;\n"
                       "for (;;) v.emplace_back(1 << 20, 'x'); }"),
            "memory_limit");
  EXPECT_THAT(CppVerdict("#include <sys/mman.h>\n#include <cstring>\nint main() { for (;;) { void* "
                         "p = mmap(0, 16 << 20, "
                         "3, MAP_SHARED | MAP_ANONYMOUS, -1, 0); if (p == MAP_FAILED) return 1; "
                         "memset(p, 1, 16 << 20); } }"),
              AnyOf("memory_limit", "runtime_error"));
}

TEST_F(CodeLimits, MemoryOfChildrenIsAddedUp) {
  EXPECT_THAT(
      PythonVerdict(
          "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n"
          "        x = bytearray(b'x') * (40 << 20)\n        time.sleep(60)\ntime.sleep(60)"),
      AnyOf("memory_limit", "runtime_error"));
}

TEST_F(CodeLimits, OutputIsBounded) {
  EXPECT_EQ(PythonVerdict("while True: print('x' * 1000)"), "output_limit");
  EXPECT_EQ(
      PythonVerdict(
          "import os\nif os.fork() == 0:\n    while True: os.write(1, b'x' * 4096)\nos.wait()"),
      "output_limit");
  EXPECT_EQ(PythonVerdict("import sys\nwhile True: sys.stderr.write('x' * 1000)"), "time_limit");
  EXPECT_EQ(PythonVerdict("import sys\nsys.stdout.buffer.write(b'\\0\\xff\\xfe' * 100)"),
            "wrong_answer");
}

TEST_F(CodeLimits, FilesAreBoundedInSizeAndNumber) {
  const std::string fill = R"(
import os
written = 0
try:
    for i in range(64):
        with open("/tmp/f%d" % i, "wb", 0) as f: written += f.write(b"x" * (1 << 20))
        with open("/dev/shm/g%d" % i, "wb", 0) as f: written += f.write(b"x" * (1 << 20))
except OSError: pass
print("ok" if written <= 9 << 20 else written))";
  EXPECT_EQ(PythonVerdict(fill), "accepted");
  EXPECT_EQ(PythonVerdict("import os\nn = 0\ntry:\n    while n < 50000: os.close(os.open('f%d' % "
                          "n, os.O_CREAT)); n += 1\n"
                          "except OSError: pass\nprint('ok' if n < 10000 else n)"),
            "accepted");
  EXPECT_EQ(PythonVerdict(
                "import os\nn = 0\ntry:\n    while True: os.dup(0); n += 1\nexcept OSError: pass\n"
                "print('ok' if n < 64 else n)"),
            "accepted");
  EXPECT_EQ(PythonVerdict(
                "import os\ntry: os.memfd_create('x'); print('made')\nexcept OSError: print('ok')"),
            "accepted");
}

TEST_F(CodeLimits, ACompilerIsBoundedToo) {
  Json columns = StdinTests({{"", "ok\n"}});
  columns["language"] = "cpp";
  columns["limits"] = {{"compile_wall_ms", 3000}, {"compile_memory_mb", 256}};
  for (const char* const code :
       {"template <int N> struct A { typedef typename A<N - 1>::t t; static const int v = A<N - "
        "1>::v + A<N - 2>::v; };\n"
        "template <int N, int M> struct B { static const int v = B<N - 1, M>::v + B<N, M - 1>::v; "
        "};\n"
        "int main() { return B<2000, 2000>::v; }",
        "#include \"/dev/zero\"\nint main() {}", "#include __FILE__\nint main() {}",
        "constexpr long f(long n) { return n < 2 ? n : f(n - 1) + f(n - 2); }\nint main() { "
        "constexpr long x = f(60); return x; }",
        "int big[1 << 30] = {1};\nint main() {}"}) {
    EXPECT_EQ(VerdictOf(code, columns), "compile_error") << code;
  }
}

TEST_F(CodeLimits, CallsHaveTheLimitsPerTest) {
  const std::string code =
      "import time\ndef f(x):\n    if x == 1: time.sleep(60)\n    if x == 2:\n        while True: "
      "pass\n"
      "    if x == 3: return bytearray(1 << 30)\n    if x == 4: import os; os._exit(0)\n    return "
      "x\n";
  Json tests = Json::array();
  for (int i = 0; i < 6; ++i) tests.push_back({{"args", {i}}, {"expected", i}});
  const Json columns = WithLimits({{"mode", "call"}, {"entry", "f"}, {"tests", tests}}, kLimits);
  const Grade grade = GradeCode(code, columns);
  EXPECT_EQ(grade.tests->passed(), 2u)
      << "tests 0 and 5, however the others ended: " << grade.detail;
  EXPECT_EQ(grade.tests->verdict(), "time_limit");
}

TEST_F(CodeLimits, AnInfiniteLoopAtTheTopEndsAllTestsAtOnce) {
  Json tests = Json::array();
  for (int i = 0; i < 100; ++i) tests.push_back("assert f() == 1");
  const auto begin = std::chrono::steady_clock::now();
  const Grade grade =
      GradeCode("while True: pass", WithLimits({{"mode", "assert"}, {"tests", tests}}, kLimits));
  EXPECT_EQ(grade.tests->verdict(), "time_limit");
  EXPECT_EQ(grade.tests->total(), 100u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST_F(CodeLimits, TheSamplesOwnTimeEndsASlowSubmission) {
  std::vector<std::pair<std::string, std::string>> tests(50, {"", "ok\n"});
  const Grade grade =
      GradeCode("import time\ntime.sleep(0.5)\nprint('ok')", StdinTests(tests), {}, 2500);
  EXPECT_EQ(grade.status, STATUS_OK) << "it used its time itself";
  EXPECT_EQ(grade.score, 0);
  EXPECT_EQ(grade.tests->verdict(), "time_limit");
  EXPECT_EQ(grade.tests->total(), 50u);
}

}  // namespace
}  // namespace cohort::reward::judge
