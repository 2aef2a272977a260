#include "reward/service/combine.h"

#include <gtest/gtest.h>

#include <limits>
#include <new>
#include <typeinfo>

namespace cohort::reward {
namespace {

// Answers what it is told to.
class Fixed final : public Grader {
 public:
  explicit Fixed(Grade grade) : grade_(std::move(grade)) {}
  Grade Score(const Sample&, const Budget&) const override { return grade_; }

 private:
  Grade grade_;
};

template <typename Exception>
class Throwing final : public Grader {
 public:
  Grade Score(const Sample&, const Budget&) const override { throw Exception(); }
};

Term MakeTerm(const std::string& name, double weight, Grade grade) {
  return {name, weight, std::make_shared<Fixed>(std::move(grade))};
}

Verdict Score(const Terms& terms) {
  Sample sample;
  sample.set_sample_id(77);
  return ScoreSample(terms, sample, std::chrono::milliseconds(1000), nullptr);
}

TEST(Combine, SumsByWeightAndReportsEveryComponent) {
  const Verdict verdict = Score({MakeTerm("right", 1, {1, STATUS_OK, "a"}),
                                 MakeTerm("format", 0.25, {1, STATUS_OK, "b"}),
                                 MakeTerm("length", 0.5, {-0.5, STATUS_OK, "c"})});
  EXPECT_EQ(verdict.sample_id(), 77u);
  EXPECT_EQ(verdict.status(), STATUS_OK);
  EXPECT_DOUBLE_EQ(verdict.score(), 1.0);
  ASSERT_EQ(verdict.components_size(), 3);
  EXPECT_EQ(verdict.components(2).name(), "length");
  EXPECT_EQ(verdict.components(2).score(), -0.5) << "before the weight";
  EXPECT_EQ(verdict.components(2).detail(), "c");
}

TEST(Combine, CarriesTheAnswersThatWereFoundUpToABound) {
  const Verdict verdict =
      Score({MakeTerm("found", 1, Answered(true, "\xFF", "")),
             MakeTerm("none", 1, Answered(false, "", "")),
             MakeTerm("long", 1, Answered(false, std::string(100'000, '1'), "")),
             MakeTerm("looks for none", 1, {1, STATUS_OK, ""})});
  EXPECT_EQ(verdict.components(0).answer(), "\xFF") << "bytes, whatever they are";
  EXPECT_TRUE(verdict.components(1).has_answer());
  EXPECT_EQ(verdict.components(1).answer(), "");
  EXPECT_EQ(verdict.components(2).answer().size(), size_t{16} << 10);
  EXPECT_FALSE(verdict.components(3).has_answer());
}

TEST(Combine, TheFirstFailingStatusWinsAndTheOthersAreStillReported) {
  const Verdict verdict =
      Score({MakeTerm("a", 1, {1, STATUS_OK, ""}), MakeTerm("b", 1, {0, STATUS_TIMEOUT, "slow"}),
             MakeTerm("c", 1, {0, STATUS_CRASH, "gone"}), MakeTerm("d", 1, {0.5, STATUS_OK, ""})});
  EXPECT_EQ(verdict.status(), STATUS_TIMEOUT);
  EXPECT_EQ(verdict.detail(), "b: slow");
  EXPECT_EQ(verdict.components(2).status(), STATUS_CRASH);
  EXPECT_EQ(verdict.components(3).status(), STATUS_OK);
  EXPECT_EQ(verdict.components(3).score(), 0.5);
}

TEST(Combine, AScoreThatIsNotFiniteIsAnErrorNotAScore) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(Score({MakeTerm("a", 1, {bad, STATUS_OK, ""})}).status(), STATUS_ERROR);
  }
  const double huge = std::numeric_limits<double>::max();
  const Verdict overflow =
      Score({MakeTerm("a", 2, {huge, STATUS_OK, ""}), MakeTerm("b", 1, {1, STATUS_OK, ""})});
  EXPECT_EQ(overflow.status(), STATUS_ERROR);
  EXPECT_EQ(overflow.components(0).status(), STATUS_OK);
}

TEST(Combine, AComponentThatDoesNotApplyIsNeitherAZeroNorAFailure) {
  const Term none = MakeTerm("none", 5, Failed(STATUS_NOT_APPLICABLE, "no tools here"));
  const Verdict verdict = Score({none, MakeTerm("right", 2, {-0.5, STATUS_OK, ""})});
  EXPECT_EQ(verdict.status(), STATUS_OK);
  EXPECT_EQ(verdict.score(), -1);
  EXPECT_EQ(verdict.components(0).status(), STATUS_NOT_APPLICABLE);
  EXPECT_EQ(verdict.components(0).detail(), "no tools here");
  EXPECT_EQ(Score({none, none}).status(), STATUS_NOT_APPLICABLE);
  EXPECT_EQ(Score({none, MakeTerm("b", 1, Failed(STATUS_CRASH, ""))}).status(), STATUS_CRASH);
}

TEST(Combine, PartsAreReportedBehindTheirTermAndNotSummedAgain) {
  Grade grade = {1.5, STATUS_OK, ""};
  grade.parts = {{"right", 1.0}, {"style", 0.5}, {"tool", std::nullopt}};
  const Verdict verdict =
      Score({MakeTerm("mine", 2, grade), MakeTerm("last", 1, {1, STATUS_OK, ""})});
  EXPECT_EQ(verdict.score(), 4);
  ASSERT_EQ(verdict.components_size(), 5);
  EXPECT_EQ(verdict.components(1).name(), "mine.right");
  EXPECT_EQ(verdict.components(2).score(), 0.5);
  EXPECT_EQ(verdict.components(3).status(), STATUS_NOT_APPLICABLE);
  EXPECT_EQ(verdict.components(4).name(), "last");
}

// Answers for all samples but one.
class Forgetful final : public Grader {
 public:
  Grade Score(const Sample&, const Budget&) const override { return {1, STATUS_OK, ""}; }
  bool takes_batches() const override { return true; }
  std::vector<Grade> ScoreBatch(std::span<const Sample* const> samples,
                                const Budget&) const override {
    return std::vector<Grade>(samples.size() - 1, Grade{1, STATUS_OK, ""});
  }
};

TEST(Combine, ABatchWithTooFewGradesFailsAsAWhole) {
  const Sample a, b;
  const Sample* const samples[] = {&a, &b};
  std::vector<Status> statuses;
  ScoreSamples({{"forgetful", 1, std::make_shared<Forgetful>()}}, samples,
               std::chrono::milliseconds(1000), nullptr,
               [&](size_t, const Verdict& verdict) { statuses.push_back(verdict.status()); });
  EXPECT_EQ(statuses, (std::vector<Status>{STATUS_ERROR, STATUS_ERROR}));
}

TEST(Combine, AnExceptionCostsItsSampleOnly) {
  EXPECT_EQ(Score({{"a", 1, std::make_shared<Throwing<std::bad_cast>>()}}).status(), STATUS_ERROR);
  EXPECT_EQ(Score({{"a", 1, std::make_shared<Throwing<std::bad_alloc>>()}}).status(),
            STATUS_MEMORY);
}

}  // namespace
}  // namespace cohort::reward
