// After many hostile submissions nothing is left: no process, descriptor, file, control group or
// memory. COHORT_JUDGE_SAMPLES=N takes more samples than the default.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/reward/code/judge_case.h"
#include "tests/reward/process_watch.h"

namespace cohort::reward::judge {
namespace {

namespace fs = std::filesystem;

const char* const kHostile[] = {
    "import os\nwhile True:\n    try: os.fork()\n    except OSError: break",
    "import os\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\nimport "
    "time\ntime.sleep(600)",
    "import os, time\nfor _ in range(5):\n    if os.fork() == 0: time.sleep(600)",
    "import os\nfor _ in range(100):\n    try: os.mkdir('d'); os.chdir('d')\n    except OSError: "
    "break",
    "import os\nos.mkdir('a'); open('a/f', 'w').write('x'); os.chmod('a', 0); os.mkfifo('p')",
    "import socket\nk = [socket.socketpair() for _ in range(50)]\nfor a, b in k: a.send(b'x' * "
    "1000)",
    "open('f', 'wb').write(b'x' * (4 << 20))\nprint('ok')",
    "import os, signal\nos.kill(os.getppid(), signal.SIGKILL); os.kill(0, signal.SIGKILL)",
    "import os\nos.abort()",
    "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
    "x = bytearray(1 << 30)",
    "print('x' * (1 << 22))",
    "import time\ntime.sleep(600)",
};

struct Left {
  int children = 0;
  int files = 0;
  int groups = 0;  // control groups of this process
  int temporary = 0;
  long resident_kib = 0;
};

int CountEntries(const fs::path& folder, const std::string& prefix) {
  int count = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    count += entry.path().filename().string().starts_with(prefix);
  }
  return count;
}

int CountGroups() {
  const CgroupTree tree = FindCgroupTree();
  if (tree.version == 0) return 0;
  const std::string prefix = "cohort-judge-" + std::to_string(getpid()) + "-";
  return CountEntries(tree.memory, prefix) + CountEntries(tree.pids, prefix);
}

long ResidentKib() {
  std::ifstream status("/proc/self/status");
  for (std::string name; status >> name;) {
    long value = 0;
    if (name == "VmRSS:" && status >> value) return value;
  }
  return 0;
}

int CountTemporary() { return CountEntries(testing::TempDir(), "cohort-judge"); }

// Judges of other processes have folders there too, for moments: one that is left over stays.
int CountTemporaryThatStays(int before) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  int count = CountTemporary();
  while (count > before && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    count = std::min(count, CountTemporary());
  }
  return count;
}

Left Look() {
  Left left;
  left.children = CountProcesses("").children;
  left.files = OpenFiles();
  left.groups = CountGroups();
  left.temporary = CountTemporary();
  left.resident_kib = ResidentKib();
  return left;
}

void JudgeMany(const Grader& grader, int samples) {
  constexpr int kThreads = 4;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < samples; i += kThreads) {
        // The answer is nothing to the judge, and makes each an input that it does not know.
        Sample sample = MakeSample(Fenced(kHostile[i % std::size(kHostile)]), std::to_string(i));
        const Json columns =
            i % 2 == 0 ? StdinTests({{"1\n", "never\n"}}) : AssertTests({"assert f(1) == 1"});
        sample.set_columns_json(
            WithLimits(columns,
                       {{"wall_ms", 400}, {"cpu_ms", 300}, {"memory_mb", 64}, {"pids", 16}})
                .dump());
        const Grade grade = grader.Score(sample, Budget(std::chrono::milliseconds(60'000)));
        EXPECT_EQ(grade.status, STATUS_OK) << grade.detail;
        EXPECT_EQ(grade.score, 0);
      }
    });
  }
}

TEST(CodeLeftovers, NothingIsLeftOfHostileSubmissions) {
  SKIP_WITHOUT_SANDBOX();
  const char* const wanted = std::getenv("COHORT_JUDGE_SAMPLES");
  const int samples = wanted == nullptr ? 300 : std::atoi(wanted);
  { JudgeMany(*MakeGrader("code", {}), 26); }  // what is allocated once is allocated now
  const Left before = Look();
  {
    const auto grader = MakeGrader("code", {});
    JudgeMany(*grader, samples);
    // While it lives it keeps boxes that boot ahead and the examiner, however many samples came.
    EXPECT_LE(Look().children, before.children + 6);
  }
  const Left after = Look();
  EXPECT_EQ(after.children, before.children);
  EXPECT_EQ(after.files, before.files);
  EXPECT_EQ(after.groups, before.groups);
  EXPECT_LE(CountTemporaryThatStays(before.temporary), before.temporary);
#if !defined(__SANITIZE_ADDRESS__)  // it keeps what was freed, to find uses after that
  EXPECT_LE(after.resident_kib, before.resident_kib + 4096 + samples / 10);
#endif
}

}  // namespace
}  // namespace cohort::reward::judge
