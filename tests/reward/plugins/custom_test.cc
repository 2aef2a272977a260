#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/error.h"
#include "reward/service/scorer.h"
#include "tests/reward/grade.h"
#include "tests/reward/process_watch.h"

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

std::shared_ptr<const Grader> Custom(const std::string& plugin, OptionMap options = {}) {
  options["path"] = TestPlugin(plugin);
  return MakeGrader("custom", options);
}

Grade Act(const Grader& grader, const std::string& completion, int limit_ms = 10'000) {
  return grader.Score(MakeSample(completion), Budget(milliseconds(limit_ms)));
}

std::string LoadError(const OptionMap& options) {
  try {
    MakeGrader("custom", options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what();
  }
  return "no error";
}

TEST(CustomReward, TheExampleScoresTheShareOfVowels) {
  const auto vowels = Custom("vowel_share");
  const Grade grade = Act(*vowels, "an ounce of audio");
  EXPECT_EQ(grade.status, STATUS_OK);
  EXPECT_DOUBLE_EQ(grade.score, 9.0 / 14.0);
  EXPECT_EQ(grade.detail, "9 of 14 letters");
  EXPECT_EQ(Act(*vowels, "").score, 0);
}

TEST(CustomReward, HandsOverItsConfig) {
  EXPECT_DOUBLE_EQ(Act(*Custom("misbehaves", {{"config", "0.25"}}), "config").score, 0.25);
}

TEST(CustomReward, SaysWhyAPluginDoesNotLoad) {
  EXPECT_THAT(LoadError({}), HasSubstr("option 'path' is missing"));
  EXPECT_THAT(LoadError({{"path", "/nowhere/x.so"}}), HasSubstr("there is no file /nowhere/x.so"));
  EXPECT_THAT(LoadError({{"path", COHORT_SOURCE_DIR "/tests/reward/plugins/custom_test.cc"}}),
              HasSubstr("invalid ELF header"));
  EXPECT_THAT(LoadError({{"path", TestPlugin("wrong_version")}}),
              HasSubstr("interface version 99"));
  EXPECT_THAT(LoadError({{"path", TestPlugin("no_score")}}),
              HasSubstr("exports no function cohort_reward_score"));
}

TEST(CustomReward, AnExceptionIsAnErrorWithItsText) {
  const auto grader = Custom("throws");
  EXPECT_EQ(Act(*grader, "throw").status, STATUS_ERROR);
  EXPECT_THAT(Act(*grader, "throw").detail, HasSubstr("it threw: no such column"));
  EXPECT_EQ(Act(*grader, "throw int").status, STATUS_ERROR);
  EXPECT_EQ(Act(*grader, "throw bad_alloc").status, STATUS_MEMORY);
  EXPECT_EQ(Act(*grader, "fine").score, 1);
}

TEST(CustomReward, EveryMisbehaviourCostsOneSampleAndHasItsStatus) {
  const auto grader = Custom("misbehaves");
  const std::tuple<const char*, Status, const char*> acts[] = {
      {"nan", STATUS_ERROR, "answered NaN"},
      {"infinity", STATUS_ERROR, "infinite score"},
      {"abort", STATUS_CRASH, "Aborted"},
      {"segfault", STATUS_CRASH, "Segmentation fault"},
      {"exit", STATUS_CRASH, "ended its process with status 0"},
      {"unparseable", STATUS_UNPARSEABLE, ""},
      {"unknown code", STATUS_ERROR, "failed"},
      {"fail", STATUS_ERROR, "the judge is \xEF\xBF\xBD gone"},
      {"long detail", STATUS_ERROR, "dddd"},
      {"writes to the channel", STATUS_CRASH, "channel"},
      {"closes the channel", STATUS_CRASH, ""},
  };
  for (const auto& [act, status, detail] : acts) {
    const Grade grade = Act(*grader, act);
    EXPECT_EQ(grade.status, status) << act << ": " << grade.detail;
    EXPECT_THAT(grade.detail, HasSubstr(detail)) << act;
    EXPECT_EQ(Act(*grader, "fine").score, 1) << "after " << act;
  }
  EXPECT_EQ(Act(*grader, "prints").score, 1);
  EXPECT_EQ(Act(*grader, "fork and return").score, 1);
  EXPECT_EQ(Act(*grader, "after it").score, 1) << "the other process's answer is not this one's";
}

TEST(CustomReward, AHangIsKilledAtTheDeadlineWithWhatItStarted) {
  const std::filesystem::path copy =
      testing::TempDir() + "hangs_" + std::to_string(getpid()) + ".so";  // known by its name below
  std::filesystem::copy_file(TestPlugin("misbehaves"), copy);
  {
    const auto grader = MakeGrader("custom", {{"path", copy.string()}});
    EXPECT_EQ(CountProcesses(copy.filename()).in_plugin_hosts, 2)
        << "the plug-in and its supervisor";
    const auto start = steady_clock::now();
    const Grade grade = Act(*grader, "hang", 200);
    const auto took = steady_clock::now() - start;
    EXPECT_EQ(grade.status, STATUS_TIMEOUT);
    EXPECT_THAT(grade.detail, HasSubstr("within 200 ms"));
    EXPECT_GE(took, milliseconds(190));
    EXPECT_LT(took, milliseconds(3000));
    EXPECT_EQ(Act(*grader, "fine").score, 1);
  }
  for (int i = 0; i < 100 && CountProcesses(copy.filename()).in_plugin_hosts > 0; ++i) {
    std::this_thread::sleep_for(milliseconds(20));  // an orphan is reaped by init
  }
  EXPECT_EQ(CountProcesses(copy.filename()).in_plugin_hosts, 0);
  std::filesystem::remove(copy);
}

#if !defined(__SANITIZE_ADDRESS__)
TEST(CustomReward, MemoryIsBounded) {
  const auto grader = Custom("misbehaves", {{"memory_mb", "512"}});
  EXPECT_EQ(Act(*grader, "memory").status, STATUS_MEMORY);
  EXPECT_EQ(Act(*grader, "fine").score, 1);
}
#endif

TEST(CustomReward, ACancelledCallDoesNotWaitForTheDeadline) {
  const auto grader = Custom("misbehaves");
  std::atomic<bool> cancelled = false;
  std::jthread canceller([&] {
    std::this_thread::sleep_for(milliseconds(100));
    cancelled = true;
  });
  const auto start = steady_clock::now();
  grader->Score(MakeSample("hang"), Budget(milliseconds(60'000), &cancelled));
  EXPECT_LT(steady_clock::now() - start, milliseconds(5000));
}

TEST(CustomReward, TakesAMegabyteAndBytesThatAreNotText) {
  const auto grader = Custom("vowel_share");
  EXPECT_DOUBLE_EQ(Act(*grader, std::string(4'000'000, 'a')).score, 1);
  EXPECT_DOUBLE_EQ(Act(*grader, std::string("a\0\xFF", 3)).score, 1);
}

TEST(CustomReward, RefusesToScoreWithAFileThatChangedUnderIt) {
  const std::filesystem::path copy =
      testing::TempDir() + "plugin_" + std::to_string(getpid()) + ".so";
  std::filesystem::copy_file(TestPlugin("vowel_share"), copy);
  const auto grader = MakeGrader("custom", {{"path", copy.string()}});
  EXPECT_EQ(Act(*grader, "a").status, STATUS_OK);
  std::filesystem::remove(copy);
  std::filesystem::copy_file(TestPlugin("throws"), copy);
  EXPECT_THAT(Act(*grader, "a").detail, HasSubstr("changed since it was loaded"));
  std::filesystem::remove(copy);
}

TEST(CustomReward, TwoHundredBadSamplesLeakNeitherProcessesNorFiles) {
  const int files_before = OpenFiles();
  const int children_before = CountProcesses("misbehaves.so").children;
  {
    Scorer scorer({.workers = 3});
    auto terms = std::make_shared<Terms>();
    terms->push_back({"custom", 1, Custom("misbehaves")});
    const std::vector<std::string> acts = {"abort", "nan", "exit", "closes the channel", "fine"};
    std::vector<Sample> samples;
    for (int i = 0; i < 250; ++i) samples.push_back(MakeSample(acts[i % acts.size()]));
    auto batch = std::make_shared<ScoreBatch>();
    batch->terms = terms;
    batch->term_limit = milliseconds(10'000);
    for (const Sample& sample : samples) batch->samples.push_back(&sample);
    std::vector<Status> statuses(samples.size());
    std::atomic<bool> done = false;
    batch->on_verdict = [&](size_t i, Verdict verdict) { statuses[i] = verdict.status(); };
    batch->on_done = [&] { done = true; };
    scorer.Submit(batch);
    for (int i = 0; i < 6000 && !done; ++i) std::this_thread::sleep_for(milliseconds(10));
    ASSERT_TRUE(done);
    for (size_t i = 0; i < statuses.size(); ++i) {
      const Status expected[] = {STATUS_CRASH, STATUS_ERROR, STATUS_CRASH, STATUS_CRASH, STATUS_OK};
      EXPECT_EQ(statuses[i], expected[i % 5]) << i;
    }
    const Processes now = CountProcesses("misbehaves.so");
    EXPECT_EQ(now.zombies, 0);
    EXPECT_LE(now.children, children_before + 3) << "one for each worker, kept for the next call";
  }
  EXPECT_EQ(OpenFiles(), files_before);
  EXPECT_EQ(CountProcesses("misbehaves.so").children, children_before);
}

}  // namespace
}  // namespace cohort::reward
