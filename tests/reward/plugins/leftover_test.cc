// After many hostile samples nothing is left of them: no process, descriptor, temporary file or
// megabyte. COHORT_HOSTILE_SAMPLES sets how many (default 300).

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/durable_file.h"
#include "base/temporary_folder.h"
#include "reward/service/server.h"
#include "tests/reward/client.h"
#include "tests/reward/plugins/python_file.h"
#include "tests/reward/process_watch.h"

namespace cohort::reward {
namespace {

namespace fs = std::filesystem;

int HostileSamples() {
  const char* count = std::getenv("COHORT_HOSTILE_SAMPLES");
  return count != nullptr ? std::max(2, std::atoi(count)) : 300;
}

int64_t ResidentMegabytes() {
  std::ifstream status("/proc/self/statm");
  int64_t pages = 0;
  status >> pages >> pages;
  return pages * sysconf(_SC_PAGESIZE) >> 20;
}

int PluginFolders() {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(fs::temp_directory_path())) {
    count += entry.path().filename().string().starts_with("cohort-plugin-") ? 1 : 0;
  }
  return count;
}

// Points TMPDIR at a folder of the test's own, so that what others write does not count.
class OwnTemporaryFolder {
 public:
  OwnTemporaryFolder() {
    const char* before = std::getenv("TMPDIR");
    if (before != nullptr) before_ = before;
    setenv("TMPDIR", folder_.path().c_str(), 1);
  }
  ~OwnTemporaryFolder() {
    before_.empty() ? unsetenv("TMPDIR") : setenv("TMPDIR", before_.c_str(), 1);
  }

 private:
  std::string before_;
  const base::TemporaryFolder folder_;
};

// Acts that cost a process, that start others which flee into sessions of their own, that leave
// files, and that are merely wrong.
const char* const kPythonActs[] = {"abort",      "leave a file", "daemon", "hang",
                                   "nan",        "os exit",      "write",  "segfault",
                                   "subprocess", "fine",         "raise",  "close the channel"};
const char* const kCustomActs[] = {"abort", "hang", "exit", "nan", "writes to the channel", "fine"};

ScoreRequest Hostile(const RewardTerm& term, std::span<const char* const> acts, int from, int to) {
  ScoreRequest request;
  *request.add_terms() = term;
  // Long enough for a busy machine to judge the harmless ones, whose verdicts are checked.
  request.set_sample_deadline_ms(1'500);
  for (int i = from; i < to; ++i) {
    // A hang costs its whole deadline: few of them.
    std::string act = acts[i % acts.size()];
    if (act == "hang" && i % 60 > 5) act = "abort";
    AddSample(&request, static_cast<uint64_t>(i), act);
    request.mutable_samples(i - from)->set_answer(std::to_string(i));  // no quarantine
  }
  return request;
}

TEST(HostilePlugins, LeaveNothingBehind) {
  const OwnTemporaryFolder temporary;
  const PythonFile python(base::ReadFile(COHORT_SOURCE_DIR "/tests/reward/plugins/misbehaves.py"));
  const fs::path shared_object = fs::path(python.path()).parent_path() / "misbehaves.so";
  fs::copy_file(TestPlugin("misbehaves"), shared_object);
  const RewardTerm terms[] = {MakeTerm("python", 1, {{"path", python.path()}}),
                              MakeTerm("custom", 1, {{"path", shared_object.string()}})};
  const std::span<const char* const> acts[] = {kPythonActs, kCustomActs};
  const int count = HostileSamples() / 2, warm_up = 24;  // of each kind

  int files = 0;
  int64_t megabytes = 0;
  {
    Server server({.workers = 2});
    Client client(server.address());
    const auto score = [&](int from, int to) {
      for (int t = 0; t < 2; ++t) {
        const Client::Reply reply =
            client.Score(Hostile(terms[t], acts[t], from, to), 120'000 + 1'000 * (to - from));
        ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
        ASSERT_EQ(reply.verdicts.size(), static_cast<size_t>(to - from));
        for (const auto& [id, verdict] : reply.verdicts) {
          if (std::string(acts[t][id % acts[t].size()]) == "fine") {
            EXPECT_EQ(verdict.score(), 1) << id << ": " << verdict.detail();
          }
        }
      }
    };
    score(0, warm_up);
    files = OpenFiles();
    megabytes = ResidentMegabytes();
    for (int from = warm_up; from < warm_up + count; from += 60) {
      score(from, std::min(from + 60, warm_up + count));
    }
    // A process for each scoring thread and plug-in is kept; a process costs two descriptors.
    const Processes now = CountProcesses(python.name());
    EXPECT_EQ(now.zombies, 0);
    EXPECT_LE(now.children, 4);
    EXPECT_LE(PluginFolders(), 4);
    EXPECT_LE(OpenFiles(), files + 8);
    EXPECT_LE(ResidentMegabytes(), megabytes + 16);
  }
  EXPECT_EQ(CountProcesses(python.name()).in_plugin_hosts, 0) << "daemons and subprocesses too";
  EXPECT_EQ(CountProcesses(python.name()).children, 0);
  EXPECT_EQ(PluginFolders(), 0);
}

}  // namespace
}  // namespace cohort::reward
