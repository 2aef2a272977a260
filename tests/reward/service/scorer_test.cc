#include "reward/service/scorer.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;

// Holds its samples until it is opened or cancelled.
class Gate final : public Grader {
 public:
  Grade Score(const Sample&, const Budget& budget) const override {
    ++waiting;
    while (!open && !budget.Exhausted()) std::this_thread::sleep_for(milliseconds(1));
    return open ? Grade{1, STATUS_OK, ""} : Failed(STATUS_TIMEOUT, "");
  }
  mutable std::atomic<int> waiting = 0;
  std::atomic<bool> open = false;
};

// A batch that counts its callbacks.
struct Counted {
  Counted(std::shared_ptr<const Grader> grader, int count) {
    auto terms = std::make_shared<Terms>();
    terms->push_back({"term", 1, std::move(grader)});
    for (int i = 0; i < count; ++i) {
      samples.push_back(MakeSample(std::to_string(i), std::to_string(i)));
      samples.back().set_sample_id(1000 + i);
    }
    batch->terms = terms;
    batch->term_limit = milliseconds(20'000);
    for (const Sample& sample : samples) batch->samples.push_back(&sample);
    batch->on_verdict = [this](size_t i, Verdict verdict) {
      const std::lock_guard lock(mutex);
      EXPECT_EQ(verdict.sample_id(), 1000 + i);
      ++seen[i];
      right += verdict.score() == 1;
    };
    batch->on_done = [this] { ++done; };
  }

  bool WaitUntilDone() const {
    for (int i = 0; i < 20'000 && done == 0; ++i) std::this_thread::sleep_for(milliseconds(1));
    return done == 1;
  }

  std::vector<Sample> samples;
  std::shared_ptr<ScoreBatch> batch = std::make_shared<ScoreBatch>();
  std::mutex mutex;
  std::map<size_t, int> seen;
  int right = 0;
  std::atomic<int> done = 0;
};

bool WaitFor(const std::function<bool()>& condition) {
  for (int i = 0; i < 20'000 && !condition(); ++i) std::this_thread::sleep_for(milliseconds(1));
  return condition();
}

TEST(Scorer, GivesEachSampleOneVerdictAndThenIsDoneOnce) {
  Counted work(MakeGrader("exact_answer", {}), 1000);
  Scorer scorer({.workers = 4});
  scorer.Submit(work.batch);
  ASSERT_TRUE(work.WaitUntilDone());
  EXPECT_EQ(work.seen.size(), 1000u);
  for (const auto& [i, count] : work.seen) EXPECT_EQ(count, 1) << i;
  EXPECT_EQ(work.right, 1000);
  EXPECT_EQ(scorer.progress().scored, 1000u);
}

TEST(Scorer, AnEmptyBatchIsDoneAtOnce) {
  Counted work(MakeGrader("exact_answer", {}), 0);
  Scorer scorer({.workers = 1});
  scorer.Submit(work.batch);
  EXPECT_EQ(work.done, 1);
}

TEST(Scorer, ManyBatchesAtOnceStayApart) {
  Scorer scorer({.workers = 3});
  std::vector<std::unique_ptr<Counted>> work;
  for (int i = 0; i < 40; ++i) {
    work.push_back(std::make_unique<Counted>(MakeGrader("exact_answer", {}), 1 + i * 7));
  }
  {
    std::vector<std::jthread> submitters;
    for (auto& one : work) submitters.emplace_back([&] { scorer.Submit(one->batch); });
  }
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(work[i]->WaitUntilDone());
    EXPECT_EQ(work[i]->right, 1 + i * 7);
  }
}

TEST(Scorer, ASlowBatchDoesNotHoldUpAnother) {
  const auto gate = std::make_shared<Gate>();
  Counted slow(gate, 2);
  Counted quick(MakeGrader("exact_answer", {}), 50);
  Scorer scorer({.workers = 3});
  scorer.Submit(slow.batch);
  ASSERT_TRUE(WaitFor([&] { return gate->waiting == 2; }));
  scorer.Submit(quick.batch);
  EXPECT_TRUE(quick.WaitUntilDone());
  EXPECT_EQ(slow.done, 0);
  gate->open = true;
  EXPECT_TRUE(slow.WaitUntilDone());
}

TEST(Scorer, ACancelledBatchSkipsWhatIsLeftAndIsDone) {
  const auto gate = std::make_shared<Gate>();
  Counted work(gate, 100);
  Scorer scorer({.workers = 2});
  scorer.Submit(work.batch);
  ASSERT_TRUE(WaitFor([&] { return gate->waiting == 2; }));
  work.batch->cancelled = true;
  EXPECT_TRUE(work.WaitUntilDone());
  EXPECT_TRUE(work.seen.empty());
  EXPECT_LE(gate->waiting, 2);
}

TEST(Scorer, RefusesABatchThatTheQueueCannotHold) {
  const auto gate = std::make_shared<Gate>();
  Counted first(gate, 10);
  Counted second(MakeGrader("exact_answer", {}), 10);
  Scorer scorer({.workers = 1, .max_queued_samples = 15});
  scorer.Submit(first.batch);
  try {
    scorer.Submit(second.batch);
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("the queue is full"), std::string::npos);
  }
  gate->open = true;
  ASSERT_TRUE(first.WaitUntilDone());
  scorer.Submit(second.batch);
  EXPECT_TRUE(second.WaitUntilDone());
}

TEST(Scorer, ItsEndCancelsWhatRunsAndWaitsForIt) {
  const auto gate = std::make_shared<Gate>();
  Counted running(gate, 4);
  Counted queued(gate, 4);
  {
    Scorer scorer({.workers = 1});
    scorer.Submit(running.batch);
    scorer.Submit(queued.batch);
    ASSERT_TRUE(WaitFor([&] { return gate->waiting == 1; }));
  }
  EXPECT_EQ(running.done, 1);
  EXPECT_EQ(queued.done, 1);
}

}  // namespace
}  // namespace cohort::reward
