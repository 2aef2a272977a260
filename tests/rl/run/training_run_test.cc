#include "rl/run/training_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/durable_file.h"
#include "tests/fakes/fake_round.h"
#include "tests/rl/run/run_fixture.h"

namespace cohort::rl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Events = FakeRound::Events;

class TrainingRunTest : public testing::Test {
 protected:
  // Runs, or goes on with, the run of `name`; `prepare` may change what is about to happen.
  void Run(const std::string& name, const proto::Recipe& recipe,
           const std::function<void(RunFixture&, RunParts&)>& prepare = {}) {
    events_.clear();
    RunFixture fixture(Folder(name), recipe);
    fixture.rollouts.publisher().on_publish = [&](int64_t version) {
      events_.push_back("publish " + std::to_string(version));
    };
    RunParts parts;
    parts.make_round = [&](int) {
      return std::make_unique<FakeRound>(fixture.context, script_, &events_);
    };
    parts.evaluate = [&] {
      events_.push_back("evaluate");
      Evaluation evaluation;
      evaluation.problems = 2;
      evaluation.accuracy = 0.5;
      evaluation.examples = {{"1+1=", "2", "3", false}};
      return evaluation;
    };
    parts.export_model = [&](const std::filesystem::path&) {
      events_.push_back("save with " + std::to_string(Rows(name).size()) + " rows");
    };
    parts.interrupted = [] { return false; };
    if (prepare) prepare(fixture, parts);
    testing::internal::CaptureStderr();
    try {
      TrainingRun(fixture.context, parts).Run();
    } catch (...) {
      stderr_ = testing::internal::GetCapturedStderr();
      throw;
    }
    stderr_ = testing::internal::GetCapturedStderr();
  }
  // The code and message of the Error that it ends with.
  std::string RunToError(const std::string& name, const proto::Recipe& recipe, ErrorCode code,
                         const std::function<void(RunFixture&, RunParts&)>& prepare = {}) {
    try {
      Run(name, recipe, prepare);
      ADD_FAILURE() << "no error";
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
  }

  std::filesystem::path Folder(const std::string& name) { return folder_.path() / name; }
  // Rows of metrics.jsonl without what the clock decides.
  std::vector<nlohmann::json> Rows(const std::string& name) {
    std::vector<nlohmann::json> rows = MetricsLog::Read(Folder(name));
    for (nlohmann::json& row : rows) {
      for (const Figure& figure : Figures()) {
        if (std::string_view(figure.key).ends_with("_s")) row.erase(figure.key);
      }
    }
    return rows;
  }
  Events EventsStartingWith(const std::string& word) {
    Events found;
    for (const std::string& event : events_) {
      if (event.starts_with(word)) found.push_back(event);
    }
    return found;
  }

  base::TemporaryFolder folder_;
  FakeRound::Script script_;
  Events events_;
  std::string stderr_;
};

TEST_F(TrainingRunTest, AStepIsTakenLearntRecordedSavedPublishedAndReleasedInThatOrder) {
  Run("run", TinyRecipe("[{kind: grpo, steps: 2}]", {"output.checkpoint_every=1"}));
  EXPECT_THAT(events_, ElementsAre("publish 1", "evaluate", "save with 1 rows",          //
                                   "begin",                                              //
                                   "take 0", "update", "save with 2 rows", "publish 2",  //
                                   "release",                                            //
                                   "take 1", "update",                                   //
                                   "save with 3 rows", "publish 3", "evaluate"))
      << "the model of the checkpoint after the evaluation is that of the one before";
}

TEST_F(TrainingRunTest, AResumedRunWritesTheJournalOfItsStepsAnewAndNoneTwice) {
  const proto::Recipe recipe =
      TinyRecipe("[{kind: grpo, steps: 6}]", {"output.checkpoint_every=2"});
  const auto journal = [&] {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(JournalFolder(Folder("run")))) {
      names.push_back(file.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  };
  script_.update = [](int64_t step, StepMetrics*) {
    if (step == 4) throw std::runtime_error("killed");  // nothing is saved: as SIGKILL
  };
  EXPECT_THROW(Run("run", recipe), std::runtime_error);
  EXPECT_THAT(journal(), testing::Contains("step-00000003.jsonl.zst"));
  const std::string third = base::ReadFile(JournalFile(Folder("run"), 3));
  script_.update = [&](int64_t step, StepMetrics*) {
    const bool there = std::filesystem::exists(JournalFile(Folder("run"), 3));
    EXPECT_FALSE(step == 3 && there) << "the checkpoint is that of step 2";
  };
  Run("run", recipe);
  EXPECT_THAT(journal(), ElementsAre("eval-00000000.jsonl.zst", "eval-00000006.jsonl.zst",
                                     testing::StartsWith("recipe-"), "step-00000001.jsonl.zst",
                                     "step-00000002.jsonl.zst", "step-00000003.jsonl.zst",
                                     "step-00000004.jsonl.zst", "step-00000005.jsonl.zst",
                                     "step-00000006.jsonl.zst"));
  EXPECT_EQ(base::ReadFile(JournalFile(Folder("run"), 3)), third);
}

TEST_F(TrainingRunTest, AStepThatCannotBeWrittenDownIsNotSavedAndDoneAgain) {
  const proto::Recipe recipe = TinyRecipe("[{kind: grpo, steps: 4}]");
  Run("straight", recipe);
  script_.update = [&](int64_t step, StepMetrics*) {
    if (step == 2) std::filesystem::rename(JournalFolder(Folder("run")), Folder("away"));
  };
  EXPECT_THAT(RunToError("run", recipe, ErrorCode::kEnvironment),
              HasSubstr("journal/step-0000000"));
  EXPECT_THAT(stderr_, testing::Not(HasSubstr("saved after")))
      << "an update more has changed the weights";
  script_.update = [](int64_t, StepMetrics*) {};
  Run("run", recipe);
  EXPECT_EQ(Rows("run"), Rows("straight"));
}

TEST_F(TrainingRunTest, StepsThatLeaveTheJournalAreToldOnceAndCounted) {
  const proto::Recipe recipe = TinyRecipe("[{kind: grpo, steps: 5}]", {"output.journal_mib=1"});
  script_.journal_bytes = 700'000;
  Run("run", recipe);
  const auto rows = Rows("run");
  EXPECT_FALSE(rows.at(1).contains("journal_dropped_steps"));
  EXPECT_EQ(rows.at(5).at("journal_dropped_steps"), 3) << "of steps 1 to 4 the last is left";
  const std::string told = "the journal has reached output.journal_mib (1 MiB)";
  const size_t first = stderr_.find(told);
  ASSERT_NE(first, std::string::npos) << stderr_;
  EXPECT_EQ(stderr_.find(told, first + 1), std::string::npos);
}

TEST_F(TrainingRunTest, WhatDoesNotSampleIsNotPublished) {
  script_.samples = false;
  Run("run", TinyRecipe("[{kind: sft, steps: 3}]"),
      [](RunFixture&, RunParts& parts) { parts.evaluate = nullptr; });
  EXPECT_THAT(stderr_, testing::Not(HasSubstr("held-out accuracy"))) << "of nothing held out";
  EXPECT_THAT(EventsStartingWith("publish"), IsEmpty());
  EXPECT_THAT(EventsStartingWith("take"), testing::SizeIs(3));
}

TEST_F(TrainingRunTest, ARowSaysWhereTheRunStandsAndWhatTheStepDid) {
  Run("run", TinyRecipe("[{kind: sft, steps: 1}, {kind: grpo, steps: 1}]"));
  const auto rows = Rows("run");
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0], nlohmann::json::parse(
                         R"({"step": 0, "round": 0, "phase": "eval", "eval_after": "start",
        "eval_accuracy": 0.5, "eval_accuracy_low": 0.0, "eval_accuracy_high": 0.0, "eval_problems": 2, "eval_failed": 0, "eval_completion_tokens": 0.0,
        "eval_truncated": 0.0})"));
  EXPECT_EQ(rows[1],
            nlohmann::json::parse(
                R"({"step": 1, "round": 1, "phase": "sft", "loss": 1.0, "publish_bytes": 12})"));
  EXPECT_EQ(rows[2].at("eval_after"), "round 1 (sft)");
  EXPECT_EQ(rows[3],
            nlohmann::json::parse(
                R"({"step": 2, "round": 2, "phase": "grpo", "loss": 2.0, "publish_bytes": 12})"));
  EXPECT_THAT(stderr_, HasSubstr("round 2/2: grpo, 1 steps\n"));
  EXPECT_THAT(stderr_, HasSubstr("after round 2 (grpo): held-out accuracy 50.0% [0.0, 0.0] (2 "
                                 "answers, greedy, "));
}

TEST_F(TrainingRunTest, OnlyStepsThatSampleTellHowLongPublishingTook) {
  for (const bool samples : {true, false}) {
    const std::string name = samples ? "samples" : "reads";
    script_.samples = samples;
    Run(name, TinyRecipe("[{kind: grpo, steps: 1}]"));
    const auto row = MetricsLog::Read(Folder(name)).at(1);
    EXPECT_EQ(row.contains("publish_s"), samples) << row;
    EXPECT_EQ(row.contains("step_s"), samples) << row;
  }
}

TEST_F(TrainingRunTest, ACheckpointComesEveryFewStepsAndAtARoundsEnd) {
  Run("run", TinyRecipe("[{kind: grpo, steps: 7}]", {"output.checkpoint_every=3"}));
  EXPECT_THAT(EventsStartingWith("save"), ElementsAre("save with 1 rows", "save with 4 rows",
                                                      "save with 7 rows", "save with 8 rows"));
  const auto checkpoint = FindNewestCheckpoint(Folder("run")).newest;
  ASSERT_TRUE(checkpoint.has_value());
  EXPECT_EQ(checkpoint->state.scalars.at("evaluations").size(), 2u);
  EXPECT_TRUE(std::filesystem::exists(checkpoint->folder / "model"));
}

TEST_F(TrainingRunTest, AnAccuracyThatNobodyKnowsIsNullAndAWarning) {
  Run("run", TinyRecipe("[{kind: grpo, steps: 1}]"),
      [](RunFixture&, RunParts& parts) { parts.evaluate = [] { return Evaluation{}; }; });
  EXPECT_TRUE(Rows("run").at(0).at("eval_accuracy").is_null());
  EXPECT_THAT(stderr_, HasSubstr("before training: no held-out answer could be graded"));
}

TEST_F(TrainingRunTest, AStopThatWasAskedForSavesTheStepAndTheSameCommandGoesOn) {
  const proto::Recipe recipe = TinyRecipe("[{kind: grpo, steps: 5}, {kind: sft, steps: 1}]");
  Run("straight", recipe);
  const std::string message =
      RunToError("stopped", recipe, ErrorCode::kInterrupted, [](RunFixture& run, RunParts& parts) {
        parts.interrupted = [&run] { return run.progress.step == 2; };
      });
  EXPECT_EQ(message, "stopped after step 2");
  EXPECT_EQ(events_.back(), "save with 3 rows") << "and nothing is published any more";
  Run("stopped", recipe);
  EXPECT_THAT(stderr_, HasSubstr("resuming after step 2 of 6\n"));
  EXPECT_THAT(std::vector(events_.begin(), events_.begin() + 4),
              ElementsAre("resume", "publish 3", "take 2", "update"));
  EXPECT_EQ(Rows("stopped"), Rows("straight"));
}

TEST_F(TrainingRunTest, AKilledRunForgetsTheStepsAfterItsLastCheckpointAndRepeatsThem) {
  const proto::Recipe recipe =
      TinyRecipe("[{kind: grpo, steps: 6}]", {"output.checkpoint_every=2"});
  Run("straight", recipe);
  script_.update = [](int64_t step, StepMetrics*) {
    if (step == 6) throw std::runtime_error("killed");
  };
  EXPECT_THROW(Run("killed", recipe), std::runtime_error);
  EXPECT_EQ(Rows("killed").size(), 6u) << "one step more than the checkpoint knows";
  script_ = {};
  Run("killed", recipe);
  EXPECT_EQ(EventsStartingWith("take"), (Events{"take 4", "take 5"}));
  EXPECT_EQ(Rows("killed"), Rows("straight"));
  const auto samples = [&](const std::string& name) {
    return base::ReadFile(Folder(name) / "samples.jsonl");
  };
  EXPECT_EQ(samples("killed"), samples("straight"));
}

TEST_F(TrainingRunTest, ARunThatIsDoneIsDoneAtOnce) {
  const proto::Recipe recipe = TinyRecipe("[{kind: grpo, steps: 1}]");
  Run("run", recipe);
  Run("run", recipe);
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_THAT(stderr_, HasSubstr("  start                     50.0%\n")) << "the summary stays";
  EXPECT_THAT(stderr_, HasSubstr("checkpoints/step-1/model --greedy --prompt '1+1='"));
}

TEST_F(TrainingRunTest, AFinishedRunThatGetsMoreStepsOrRoundsTrainsOn) {
  const proto::Recipe longer = TinyRecipe("[{kind: sft, steps: 1}, {kind: grpo, steps: 4}]");
  Run("straight", longer);
  Run("run", TinyRecipe("[{kind: sft, steps: 1}, {kind: grpo, steps: 2}]"));
  Run("run", longer);
  EXPECT_THAT(stderr_, HasSubstr("round 2 has 2 more steps than it had"));
  EXPECT_THAT(events_,
              ElementsAre("resume", "publish 4", "take 3", "update", "publish 5", "release",
                          "take 4", "update", "save with 8 rows", "publish 6", "evaluate"))
      << "the optimizer goes on, and the evaluation in between stays";
  std::vector<nlohmann::json> steps[2];
  for (const std::string name : {"straight", "run"}) {
    for (const nlohmann::json& row : Rows(name)) {
      if (row.at("phase") != "eval") steps[name == "run"].push_back(row);
    }
  }
  EXPECT_EQ(steps[0], steps[1]);
  Run("run", TinyRecipe("[{kind: sft, steps: 1}, {kind: grpo, steps: 4}, {kind: sft, steps: 1}]"));
  EXPECT_THAT(EventsStartingWith("take"), ElementsAre("take 5"));
  EXPECT_THAT(stderr_, HasSubstr("the same command with rounds[2].steps=2 trains on"));
}

TEST_F(TrainingRunTest, AKillInTheEvaluationAtARoundsEndLosesNoStep) {
  const proto::Recipe recipe = TinyRecipe("[{kind: grpo, steps: 3}, {kind: sft, steps: 1}]");
  Run("straight", recipe);
  EXPECT_THROW(Run("killed", recipe,
                   [](RunFixture& run, RunParts& parts) {
                     const auto evaluate = parts.evaluate;
                     parts.evaluate = [&run, evaluate] {
                       if (run.progress.step == 3) throw std::runtime_error("killed");
                       return evaluate();
                     };
                   }),
               std::runtime_error);
  Run("killed", recipe);
  EXPECT_THAT(EventsStartingWith("take"), ElementsAre("take 3"));
  EXPECT_THAT(EventsStartingWith("evaluate"), testing::SizeIs(2)) << "the one that was due, too";
  EXPECT_EQ(Rows("killed"), Rows("straight"));
}

TEST_F(TrainingRunTest, AStopWhilePublishingOrInARoundsLastStepLosesNoStep) {
  const proto::Recipe recipe = TinyRecipe("[{kind: grpo, steps: 4}]");
  Run("straight", recipe);
  RunToError("publishing", recipe, ErrorCode::kInterrupted, [](RunFixture& run, RunParts&) {
    run.rollouts.publisher().fail = [](int64_t version) {
      if (version == 3) throw Error(ErrorCode::kInterrupted, "stopped while no worker answers");
    };
  });
  EXPECT_THAT(stderr_, HasSubstr("saved after step 2"));
  Run("publishing", recipe);
  EXPECT_THAT(EventsStartingWith("take"), ElementsAre("take 2", "take 3"));
  EXPECT_EQ(Rows("publishing"), Rows("straight"));

  RunToError("last step", recipe, ErrorCode::kInterrupted, [](RunFixture& run, RunParts& parts) {
    parts.interrupted = [&run] { return run.progress.step == 4; };
  });
  EXPECT_THAT(EventsStartingWith("evaluate"), testing::SizeIs(1)) << "only that before training";
  Run("last step", recipe);
  EXPECT_THAT(events_, ElementsAre("publish 5", "evaluate"));
  EXPECT_EQ(Rows("last step"), Rows("straight"));
}

TEST_F(TrainingRunTest, RewardsThatFailEverywhereEndTheRunWithTheirReasonAndItGoesOn) {
  const proto::Recipe recipe =
      TinyRecipe("[{kind: grpo, steps: 6}]", {"rollout.max_failed_steps=2"});
  script_.update = [](int64_t step, StepMetrics* metrics) {
    metrics->samples = 8;
    metrics->failed_rewards = step == 2 ? 7 : 8;
  };
  script_.first_failure = "ERROR: judge.py:3: NameError";
  EXPECT_EQ(RunToError("run", recipe, ErrorCode::kEnvironment),
            "the reward failed on every sample of 2 steps in a row; the last: ERROR: judge.py:3: "
            "NameError");
  EXPECT_THAT(stderr_, HasSubstr("step 1: the reward failed on 8 of 8 samples, which are left out; "
                                 "the first: ERROR: judge.py:3: NameError\n"));
  EXPECT_THAT(stderr_, testing::Not(HasSubstr("step 2: the reward failed"))) << "told once";
  const size_t told = stderr_.find("the reward failed on");
  EXPECT_EQ(stderr_.find("the reward failed on", told + 1), std::string::npos) << stderr_;
  script_ = {};
  Run("run", recipe);
  EXPECT_THAT(EventsStartingWith("take"), ElementsAre("take 4", "take 5"));
}

TEST_F(TrainingRunTest, ALossThatRunsAwayEndsTheRunAtTheLastGoodCheckpoint) {
  const proto::Recipe recipe =
      TinyRecipe("[{kind: sft, steps: 20}]", {"output.checkpoint_every=1"});
  script_.update = [](int64_t step, StepMetrics* metrics) {
    metrics->loss = step == 7 || step > 10 ? 1057 : 5.6;  // once is no divergence
  };
  EXPECT_THAT(RunToError("run", recipe, ErrorCode::kDiverged),
              HasSubstr("the loss is 1057, where it was 5.6"));
  EXPECT_EQ(Rows("run").size(), 14u);
  EXPECT_EQ(FindNewestCheckpoint(Folder("run")).newest->step, 10);
  script_.update = [](int64_t, StepMetrics* metrics) {
    metrics->loss = std::numeric_limits<double>::quiet_NaN();
  };
  EXPECT_THAT(RunToError("nan", recipe, ErrorCode::kDiverged), HasSubstr("the loss is not finite"));
}

TEST_F(TrainingRunTest, WeightsThatAreNotFiniteAreNeverSaved) {
  const proto::Recipe recipe = TinyRecipe("[{kind: sft, steps: 4}]", {"output.checkpoint_every=1"});
  EXPECT_THAT(RunToError("run", recipe, ErrorCode::kDiverged,
                         [&](RunFixture& run, RunParts&) {
                           script_.update = [&run](int64_t step, StepMetrics*) {
                             if (step < 3) return;
                             const at::NoGradGuard no_grad;
                             run.learner.Weights().at("model.norm.weight").fill_(NAN);
                           };
                         }),
              HasSubstr("after step 3 model.norm.weight is not finite"));
  EXPECT_EQ(FindNewestCheckpoint(Folder("run")).newest->step, 2);
}

TEST_F(TrainingRunTest, AnEvaluationWithinARoundComesEveryFewStepsAndTheBestIsKept) {
  const proto::Recipe recipe = TinyRecipe(
      "[{kind: grpo, steps: 7}]",
      {"eval.every=2", "output.checkpoint_every=1", "output.keep=2", "output.keep_best=true"});
  const auto best_at_four = [](RunFixture& run, RunParts& parts) {
    const auto evaluate = parts.evaluate;
    parts.evaluate = [&run, evaluate] {
      Evaluation evaluation = evaluate();
      evaluation.accuracy = run.progress.step == 4 ? 0.9 : 0.5;
      return evaluation;
    };
  };
  Run("run", recipe, best_at_four);
  EXPECT_THAT(EventsStartingWith("evaluate"), testing::SizeIs(5));
  EXPECT_THAT(stderr_, HasSubstr("after step 4 of round 1 (grpo): held-out accuracy 90.0%"));
  EXPECT_THAT(stderr_, HasSubstr("the best evaluation is that of step 4: "));
  for (const int64_t step : {4, 6, 7}) {
    EXPECT_EQ(CheckpointFault(CheckpointFolder(Folder("run"), step)), "") << step;
  }
  EXPECT_FALSE(std::filesystem::exists(CheckpointFolder(Folder("run"), 5)));
}

TEST_F(TrainingRunTest, AnEvaluationWithinARoundIsMadeUpForAfterAKill) {
  const proto::Recipe recipe =
      TinyRecipe("[{kind: grpo, steps: 5}]", {"eval.every=2", "output.checkpoint_every=2"});
  Run("straight", recipe);
  EXPECT_THROW(Run("killed", recipe,
                   [](RunFixture& run, RunParts& parts) {
                     parts.evaluate = [&run]() -> Evaluation {
                       if (run.progress.step == 2) throw std::runtime_error("killed");
                       Evaluation evaluation;
                       evaluation.problems = 2;
                       evaluation.accuracy = 0.5;
                       return evaluation;
                     };
                   }),
               std::runtime_error);
  Run("killed", recipe);
  EXPECT_EQ(Rows("killed"), Rows("straight"));
}

TEST_F(TrainingRunTest, ALostEventFileIsMadeAgainFromTheMetrics) {
  const proto::Recipe recipe = TinyRecipe("[{kind: grpo, steps: 3}]");
  Run("run", recipe);
  const auto events = Folder("run") / "events.out.tfevents.0.cohort";
  const auto size = std::filesystem::file_size(events);
  std::filesystem::remove(events);
  Run("run", TinyRecipe("[{kind: grpo, steps: 4}]"));
  EXPECT_GT(std::filesystem::file_size(events), size);
}

TEST_F(TrainingRunTest, AFolderWhoseCheckpointsAreAllDamagedIsRefused) {
  const proto::Recipe recipe = TinyRecipe("[{kind: grpo, steps: 1}]");
  Run("run", recipe);
  for (const auto& entry : std::filesystem::directory_iterator(Folder("run") / "checkpoints")) {
    std::filesystem::resize_file(entry.path() / "state.json", 3);
  }
  EXPECT_THAT(RunToError("run", recipe, ErrorCode::kEnvironment),
              HasSubstr("no checkpoint of " + Folder("run").string() + " can be read"));
  EXPECT_THAT(stderr_, HasSubstr("warning: checkpoint "));
}

TEST_F(TrainingRunTest, FiveStepsInARowWithoutAFiniteGradientEndTheRun) {
  const proto::Recipe recipe = TinyRecipe("[{kind: grpo, steps: 9}]");
  script_.update = [](int64_t step, StepMetrics* metrics) {
    metrics->skipped_updates = step == 4 ? 0 : 1;  // three, none, then five
  };
  EXPECT_EQ(RunToError("run", recipe, ErrorCode::kDiverged),
            "the run diverges: the gradient is not finite; the weights stay as they were");
  EXPECT_EQ(Rows("run").size(), 10u);
  EXPECT_THAT(stderr_, HasSubstr("warning: step 9: the gradient is not finite; the weights stay"));
  EXPECT_THAT(stderr_, testing::Not(HasSubstr("step 4: the gradient")));
}

TEST_F(TrainingRunTest, AFreshOptimizerAndLearningRateBeginEachRound) {
  std::vector<int64_t> updates;
  Run("run", TinyRecipe("[{kind: sft, steps: 2}, {kind: sft, steps: 1}]"),
      [&](RunFixture& run, RunParts&) {
        script_.update = [&](int64_t, StepMetrics*) {
          updates.push_back(run.progress.updates_in_round++);
        };
      });
  EXPECT_THAT(updates, ElementsAre(0, 1, 0));
}

}  // namespace
}  // namespace cohort::rl
