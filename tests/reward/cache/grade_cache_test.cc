#include "reward/cache/grade_cache.h"

#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

// A judge that counts what it is asked, and can be held up.
class GradeCacheTest : public testing::Test {
 protected:
  GradeCache Make(GradeCacheSettings settings = {}) {
    return GradeCache(settings, [this](std::span<const Sample* const> samples, const Budget&) {
      std::unique_lock lock(mutex_);
      asked_ += static_cast<int>(samples.size());
      batches_.push_back(samples.size());
      changed_.notify_all();
      changed_.wait(lock, [&] { return open_; });
      std::vector<Grade> grades;
      for (const Sample* sample : samples) {
        const bool fails = sample->completion() == "fails" ||
                           (sample->completion() == "fails in company" && samples.size() > 1);
        grades.push_back(fails ? Failed(STATUS_CRASH, "boom")
                               : Grade{0.25 * asked_, STATUS_OK, ""});
      }
      return grades;
    });
  }
  void Close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void AwaitAsked(int count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, milliseconds(20'000), [&] { return asked_ >= count; }));
  }
  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int asked_ = 0;
  std::vector<size_t> batches_;
  const Budget budget_{milliseconds(20'000)};
};

TEST_F(GradeCacheTest, AnInputThatComesAgainIsAnsweredAsBefore) {
  GradeCache judged = Make();
  Sample sample = MakeSample("a");
  EXPECT_EQ(judged.Score(sample, budget_).score, 0.25);
  sample.set_sample_id(7);
  EXPECT_EQ(judged.Score(sample, budget_).score, 0.25);
  EXPECT_EQ(judged.Score(MakeSample("b"), budget_).score, 0.5);
  EXPECT_EQ(asked(), 2);
}

TEST_F(GradeCacheTest, EqualInputsAtOnceWaitForTheOneVerdict) {
  GradeCache judged = Make();
  Close();
  std::vector<std::future<Grade>> grades;
  for (int i = 0; i < 8; ++i) {
    grades.push_back(
        std::async(std::launch::async, [&] { return judged.Score(MakeSample("a"), budget_); }));
  }
  AwaitAsked(1);
  std::this_thread::sleep_for(milliseconds(100));  // time for the others to come
  EXPECT_EQ(asked(), 1);
  Open();
  for (auto& grade : grades) EXPECT_EQ(grade.get().score, 0.25);
  EXPECT_EQ(asked(), 1);
}

TEST_F(GradeCacheTest, AfterAFailureTheNextOneTriesAndTwoAreAQuarantine) {
  GradeCache judged = Make();
  Close();
  std::vector<std::future<Grade>> grades;
  for (int i = 0; i < 6; ++i) {
    grades.push_back(
        std::async(std::launch::async, [&] { return judged.Score(MakeSample("fails"), budget_); }));
  }
  AwaitAsked(1);
  Open();
  for (auto& grade : grades) EXPECT_EQ(grade.get().status, STATUS_CRASH);
  EXPECT_EQ(asked(), InputMemory::kMaxStrikes);
}

TEST_F(GradeCacheTest, WithoutQuarantineAFailureIsTriedEachTime) {
  GradeCache judged = Make({.quarantine = false});
  for (int i = 0; i < 4; ++i) judged.Score(MakeSample("fails"), budget_);
  EXPECT_EQ(asked(), 4);
}

TEST_F(GradeCacheTest, WithoutMemoryEachIsJudged) {
  GradeCache judged = Make({.keep_grades = false});
  const Sample a = MakeSample("a");
  const Sample* const twice[] = {&a, &a};
  judged.ScoreTogether(twice, budget_);
  judged.Score(a, budget_);
  EXPECT_EQ(asked(), 3);
}

TEST_F(GradeCacheTest, OneCallJudgesItsEqualSamplesOnce) {
  GradeCache judged = Make();
  const Sample a = MakeSample("a"), b = MakeSample("b"), c = MakeSample("fails in company");
  const Sample* const samples[] = {&a, &b, &a, &c, &b};
  const std::vector<Grade> grades = judged.ScoreTogether(samples, budget_);
  EXPECT_THAT(batches_, ElementsAre(3, 1)) << "a, b and c; c again alone";
  for (const Grade& grade : grades) EXPECT_EQ(grade.status, STATUS_OK);
  EXPECT_EQ(grades[0].score, grades[2].score);
}

// Each call judges what it claimed before it waits for the other's: no deadlock.
TEST_F(GradeCacheTest, CallsThatHoldWhatTheOtherWantsBothEnd) {
  GradeCache judged = Make();
  Close();
  const auto call = [&](const std::string& first, const std::string& second) {
    const Sample a = MakeSample(first), b = MakeSample(second), c = MakeSample(first + second);
    const Sample* const samples[] = {&a, &b, &c};
    return judged.ScoreTogether(samples, budget_).size();
  };
  auto one = std::async(std::launch::async, call, "a", "b");
  auto two = std::async(std::launch::async, call, "b", "a");
  AwaitAsked(2);
  Open();
  EXPECT_EQ(one.get(), 3u);
  EXPECT_EQ(two.get(), 3u);
  EXPECT_EQ(asked(), 4) << "a, b, ab and ba";
}

TEST_F(GradeCacheTest, ACancelledCallWaitsForNobody) {
  GradeCache judged = Make();
  Close();
  auto first =
      std::async(std::launch::async, [&] { return judged.Score(MakeSample("a"), budget_); });
  AwaitAsked(1);
  const std::atomic<bool> cancelled = true;
  EXPECT_EQ(judged.Score(MakeSample("a"), Budget(milliseconds(20'000), &cancelled)).status,
            STATUS_ERROR);
  Open();
  EXPECT_EQ(first.get().status, STATUS_OK);
}

}  // namespace
}  // namespace cohort::reward
