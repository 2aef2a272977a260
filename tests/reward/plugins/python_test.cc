#include <gmock/gmock.h>
#include <unistd.h>

#include <thread>

#include "base/durable_file.h"
#include "base/error.h"
#include "reward/service/scorer.h"
#include "tests/reward/grade.h"
#include "tests/reward/plugins/python_file.h"
#include "tests/reward/process_watch.h"

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

const char* const kMisbehaves = COHORT_SOURCE_DIR "/tests/reward/plugins/misbehaves.py";

std::shared_ptr<const Grader> Python(const std::string& path, OptionMap options = {}) {
  options["path"] = path;
  return MakeGrader("python", options);
}

Grade Act(const Grader& grader, const std::string& completion, int limit_ms = 10'000) {
  return grader.Score(MakeSample(completion), Budget(milliseconds(limit_ms)));
}

Grade GradeWith(const std::string& code, const Sample& sample, const OptionMap& options = {}) {
  const PythonFile file(code);
  return Python(file.path(), options)->Score(sample, Budget(milliseconds(10'000)));
}

std::string LoadError(const OptionMap& options) {
  try {
    MakeGrader("python", options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what();
  }
  return "no error";
}

std::string LoadErrorOf(const std::string& code, OptionMap options = {}) {
  const PythonFile file(code);
  options["path"] = file.path();
  return LoadError(options);
}

TEST(PythonReward, GetsTheSampleAndItsColumnsByName) {
  Sample sample = MakeSample("two", "2");
  sample.set_columns_json(R"({"level": 3, "tags": ["a"]})");
  const Grade grade = GradeWith(
      "def reward(prompt, completion, **columns):\n"
      "  assert (prompt, completion) == ('a prompt', 'two')\n"
      "  assert columns == {'answer': '2', 'level': 3, 'tags': ['a']}, columns\n"
      "  return columns['level'] / 4\n",
      sample);
  EXPECT_EQ(grade.status, STATUS_OK) << grade.detail;
  EXPECT_DOUBLE_EQ(grade.score, 0.75);
}

TEST(PythonReward, GetsOnlyTheColumnsThatItsFunctionNames) {
  Sample sample = MakeSample("2", "2");
  sample.set_columns_json(R"({"level": 3, "other": 4})");
  EXPECT_EQ(
      GradeWith("def reward(completion, answer, level):\n  return completion == answer\n", sample)
          .score,
      1);
  const Grade missing = GradeWith("def reward(completion, lvl):\n  return 1\n", sample);
  EXPECT_EQ(missing.status, STATUS_ERROR);
  EXPECT_THAT(missing.detail, HasSubstr("no column 'lvl'; it has: answer, completion, level"));
}

TEST(PythonReward, BytesThatAreNotUtf8ArriveAsReplacementCharacters) {
  EXPECT_EQ(GradeWith("def reward(completion):\n  return completion == 'a\\ufffd\\nb'\n",
                      MakeSample("a\xFF\nb"))
                .score,
            1);
}

TEST(PythonReward, NoneMeansThatTheRewardDoesNotApply) {
  const auto grader = Python(kMisbehaves);
  const Grade grade = Act(*grader, "none");
  EXPECT_EQ(grade.status, STATUS_NOT_APPLICABLE);
  const Terms terms = {{"python", 2, grader}, {"last_number", 1, MakeGrader("last_number", {})}};
  Sample sample = MakeSample("none", "5");
  const Verdict left_out = ScoreSample(terms, sample, milliseconds(10'000), nullptr);
  EXPECT_EQ(left_out.status(), STATUS_OK) << left_out.detail();
  EXPECT_EQ(left_out.score(), 0) << "the other reward alone";
  EXPECT_EQ(left_out.components(0).status(), STATUS_NOT_APPLICABLE);
  const Verdict nothing = ScoreSample({terms[0]}, sample, milliseconds(10'000), nullptr);
  EXPECT_EQ(nothing.status(), STATUS_NOT_APPLICABLE);
}

TEST(PythonReward, ADictGivesNamedComponentsAndTheirWeightedSum) {
  const std::string code =
      "def reward(completion):\n"
      "  return {'right': 1, 'style': 0.5, 'tool': None, 'weights': {'style': 0.2},\n"
      "          'detail': 'well done'}\n";
  const PythonFile file(code);
  const Terms terms = {{"python", 2, Python(file.path())}};
  const Verdict verdict = ScoreSample(terms, MakeSample("x"), milliseconds(10'000), nullptr);
  ASSERT_EQ(verdict.status(), STATUS_OK) << verdict.detail();
  EXPECT_DOUBLE_EQ(verdict.score(), 2 * (1 + 0.2 * 0.5));
  EXPECT_EQ(verdict.detail(), "well done");
  ASSERT_EQ(verdict.components_size(), 4);
  EXPECT_EQ(verdict.components(0).name(), "python");
  EXPECT_DOUBLE_EQ(verdict.components(0).score(), 1.1);
  EXPECT_EQ(verdict.components(1).name(), "python.right");
  EXPECT_DOUBLE_EQ(verdict.components(2).score(), 0.5);
  EXPECT_EQ(verdict.components(3).name(), "python.tool");
  EXPECT_EQ(verdict.components(3).status(), STATUS_NOT_APPLICABLE);
}

TEST(PythonReward, ABatchFunctionSeesSeveralSamplesAtOnce) {
  const PythonFile file(
      "def reward_batch(prompts, completions, level, **columns):\n"
      "  assert len(prompts) == len(completions) == len(level) == len(columns['answer'])\n"
      "  return [len(completions) + (n or 0) for n in level]\n");
  const auto grader = Python(file.path());
  ASSERT_TRUE(grader->takes_batches());
  Sample samples[] = {MakeSample("a"), MakeSample("b"), MakeSample("c")};
  samples[1].set_columns_json(R"({"level": 10})");
  const Sample* pointers[] = {&samples[0], &samples[1], &samples[2]};
  const auto grades = grader->ScoreBatch(pointers, Budget(milliseconds(10'000)));
  ASSERT_EQ(grades.size(), 3u);
  EXPECT_EQ(grades[0].score, 3) << grades[0].detail;
  EXPECT_EQ(grades[1].score, 13);
}

TEST(PythonReward, ASampleThatFailsABatchCostsOnlyItself) {
  const PythonFile file(
      "def reward_batch(completions, **columns):\n"
      "  return [None if c == 'none' else int(c) for c in completions]\n");
  Scorer scorer({.workers = 1});
  auto batch = std::make_shared<ScoreBatch>();
  auto terms = std::make_shared<Terms>();
  terms->push_back({"python", 1, Python(file.path())});
  std::vector<Sample> samples;
  for (int i = 0; i < 40; ++i) samples.push_back(MakeSample(i == 7 ? "seven" : std::to_string(i)));
  samples[8].set_completion("none");
  for (const Sample& sample : samples) batch->samples.push_back(&sample);
  batch->terms = terms;
  batch->term_limit = milliseconds(20'000);
  std::vector<Verdict> verdicts(samples.size());
  std::atomic<bool> done = false;
  batch->on_verdict = [&](size_t i, Verdict verdict) { verdicts[i] = std::move(verdict); };
  batch->on_done = [&] { done = true; };
  scorer.Submit(batch);
  for (int i = 0; i < 6000 && !done; ++i) std::this_thread::sleep_for(milliseconds(10));
  ASSERT_TRUE(done);
  for (int i = 0; i < 40; ++i) {
    const Status expected = i == 7 ? STATUS_ERROR : i == 8 ? STATUS_NOT_APPLICABLE : STATUS_OK;
    EXPECT_EQ(verdicts[i].status(), expected) << i << ": " << verdicts[i].detail();
    if (expected == STATUS_OK) {
      EXPECT_EQ(verdicts[i].score(), i);
    }
  }
  EXPECT_THAT(verdicts[7].detail(), HasSubstr("ValueError: invalid literal for int()"));
}

TEST(PythonReward, TooFewScoresAreAnErrorForEverySample) {
  const PythonFile file(
      "def reward_batch(completions):\n  return [1.0] * (len(completions) - 1)\n");
  const auto grader = Python(file.path());
  const Grade grade = Act(*grader, "x");
  EXPECT_EQ(grade.status, STATUS_ERROR);
  EXPECT_EQ(grade.detail, "the function answered 0 scores for 1 samples");
}

TEST(PythonReward, EveryMisbehaviourCostsOneSampleAndHasItsStatus) {
  const auto grader = Python(kMisbehaves, {{"memory_mb", "2048"}});
  const std::tuple<const char*, Status, const char*> acts[] = {
    {"abort", STATUS_CRASH, "Aborted"},
    {"close the channel", STATUS_CRASH, ""},
    {"dict", STATUS_ERROR, "the component 'bad' is nan"},
    {"exit", STATUS_ERROR, "SystemExit: 3"},
    {"list", STATUS_ERROR, "the score is list [1, 2]"},
    {"nan", STATUS_ERROR, "the score is nan"},
    {"os exit", STATUS_CRASH, "status 4"},
    {"overflow", STATUS_ERROR, "OverflowError"},
    {"raise", STATUS_ERROR, "ValueError: invalid literal for int() with base 10: 'no number'"},
    {"recurse", STATUS_ERROR, "RecursionError: maximum recursion depth exceeded"},
    {"segfault", STATUS_CRASH, "Segmentation fault"},
    {"text", STATUS_ERROR, "the score is str '1.0', expected a number"},
    {"write", STATUS_CRASH, "cohort's own channel"},
#if !defined(__SANITIZE_ADDRESS__)
    {"memory", STATUS_MEMORY, "MemoryError"},
#endif
  };
  for (const auto& [act, status, detail] : acts) {
    const Grade grade = Act(*grader, act);
    EXPECT_EQ(grade.status, status) << act << ": " << grade.detail;
    EXPECT_THAT(grade.detail, HasSubstr(detail)) << act;
    EXPECT_EQ(Act(*grader, std::string("after ") + act).score, 1) << "after " << act;
  }
  EXPECT_EQ(Act(*grader, "fork and return").score, 1);
  EXPECT_EQ(Act(*grader, "after it").score, 1) << "the other process's answer is not this one's";
  EXPECT_EQ(Act(*grader, "multiprocessing").score, 9);
  EXPECT_EQ(Act(*grader, "print").score, 1) << "prints do not disturb the protocol";
}

TEST(PythonReward, ErrorsNameTheLineOfTheUsersFile) {
  EXPECT_THAT(Act(*Python(kMisbehaves), "raise").detail,
              testing::ContainsRegex("misbehaves.py:[0-9]+: ValueError"));
}

TEST(PythonReward, HangsEndAtTheDeadlineWithEverythingTheyStarted) {
  const PythonFile file(base::ReadFile(kMisbehaves));
  {
    const auto grader = Python(file.path());
    for (const char* act : {"hang", "sleep", "stop"}) {
      const auto start = steady_clock::now();
      const Grade grade = Act(*grader, act, 300);
      EXPECT_EQ(grade.status, STATUS_TIMEOUT) << act << grade.detail;
      EXPECT_THAT(grade.detail, HasSubstr("within 300 ms"));
      EXPECT_LT(steady_clock::now() - start, milliseconds(6000)) << act;
      EXPECT_EQ(Act(*grader, std::string("after ") + act).score, 1);
    }
    EXPECT_EQ(CountProcesses(file.name()).in_plugin_hosts, 2) << "a fresh one and its supervisor";
  }
  EXPECT_EQ(CountProcesses(file.name()).in_plugin_hosts, 0);
}

TEST(PythonReward, SaysWhereAFileDoesNotLoad) {
  EXPECT_THAT(LoadError({{"path", "/nowhere/x.py"}}), HasSubstr("there is no file /nowhere/x.py"));
  EXPECT_THAT(LoadErrorOf("x = 1\ndef reward(completion:\n  pass\n"),
              testing::ContainsRegex("\\.py:2: SyntaxError"));
  EXPECT_THAT(LoadErrorOf("import json\nimport nowhere_to_be_found\n"),
              testing::ContainsRegex("\\.py:2: ModuleNotFoundError: No module named"));
  EXPECT_THAT(LoadErrorOf("def score(completion): return 1\n"),
              HasSubstr("defines no function 'reward'; its functions are: score"));
  EXPECT_THAT(LoadErrorOf("def reward(text): return 1\n"),
              HasSubstr("no parameter named 'completion'"));
  EXPECT_THAT(LoadErrorOf("import os\nos._exit(9)\n"), HasSubstr("status 9"));
  EXPECT_THAT(LoadErrorOf("def reward(completion): return 1\n", {{"python", "python0"}}),
              HasSubstr("no program 'python0' in PATH"));
}

TEST(PythonReward, RunsTheFunctionThatItIsToldTo) {
  const std::string code =
      "from dataclasses import dataclass\n@dataclass\nclass A:\n  n: int\n"
      "def reward(completion): return 1\ndef other(completion): return A(2).n\n";
  EXPECT_EQ(GradeWith(code, MakeSample("x")).score, 1);
  EXPECT_EQ(GradeWith(code, MakeSample("x"), {{"function", "other"}}).score, 2);
}

TEST(PythonReward, AnAsyncFunctionIsAwaited) {
  EXPECT_EQ(GradeWith("import asyncio\n"
                      "async def one(text):\n  await asyncio.sleep(0)\n  return len(text)\n"
                      "async def reward_batch(completions, **columns):\n"
                      "  return await asyncio.gather(*map(one, completions))\n",
                      MakeSample("four"))
                .score,
            4);
}

TEST(PythonReward, StartsNoMoreInterpretersThanItMay) {
  const PythonFile file("import os\ndef reward(completion): return os.getpid()\n");
  const auto grader = Python(file.path(), {{"workers", "1"}});
  std::vector<double> processes(6);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < processes.size(); ++i) {
      threads.emplace_back([&, i] { processes[i] = Act(*grader, std::to_string(i)).score; });
    }
  }
  EXPECT_THAT(processes, testing::Each(processes[0]));
}

}  // namespace
}  // namespace cohort::reward
