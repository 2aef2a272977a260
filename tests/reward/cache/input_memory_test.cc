#include "reward/cache/input_memory.h"

#include <gmock/gmock.h>

#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

using testing::HasSubstr;

InputKey Key(int i) { return KeyOf(MakeSample(std::to_string(i))); }
Grade Judged(double score) { return {score, STATUS_OK, ""}; }

TEST(InputMemory, TellsInputsApartByContentAndNotById) {
  Sample a = MakeSample("ab", "c"), b = MakeSample("a", "bc");
  EXPECT_NE(KeyOf(a), KeyOf(b));
  b = a;
  b.set_sample_id(99);
  EXPECT_EQ(KeyOf(a), KeyOf(b));
  b.set_columns_json("{}");
  EXPECT_NE(KeyOf(a), KeyOf(b));
}

TEST(InputMemory, KeepsJudgementsAndForgetsTheOldest) {
  InputMemory memory(3, true);
  for (int i = 0; i < 3; ++i) memory.Note(Key(i), Judged(0.5 * i));
  memory.Note(Key(9), Failed(STATUS_ERROR, "may do better the next time"));
  EXPECT_FALSE(memory.Recall(Key(9)).has_value());
  EXPECT_EQ(memory.Recall(Key(0))->score, 0);
  memory.Note(Key(3), Failed(STATUS_NOT_APPLICABLE, ""));
  EXPECT_TRUE(memory.Recall(Key(0)).has_value()) << "asked for a moment ago";
  EXPECT_FALSE(memory.Recall(Key(1)).has_value());
  EXPECT_EQ(memory.Recall(Key(3))->status, STATUS_NOT_APPLICABLE);
}

TEST(InputMemory, TwoStrikesAreAQuarantine) {
  InputMemory memory(10, true);
  memory.Note(Key(1), Failed(STATUS_TIMEOUT, "too late"));
  EXPECT_FALSE(memory.Recall(Key(1)).has_value());
  memory.Note(Key(1), Failed(STATUS_CRASH, "signal 11"));
  const auto refused = memory.Recall(Key(1));
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, STATUS_CRASH);
  EXPECT_THAT(refused->detail, HasSubstr("quarantined: this input failed 2 times"));
  EXPECT_THAT(refused->detail, HasSubstr("signal 11"));
}

TEST(InputMemory, AJudgementForgivesAStrike) {
  for (const bool keep_grades : {false, true}) {
    InputMemory memory(10, keep_grades);
    memory.Note(Key(1), Failed(STATUS_TIMEOUT, "too late"));
    memory.Note(Key(1), Judged(1));
    EXPECT_EQ(memory.Recall(Key(1)).has_value(), keep_grades);
    memory.Note(Key(1), Failed(STATUS_TIMEOUT, "too late"));
    EXPECT_FALSE(memory.Recall(Key(1)).has_value());
  }
}

}  // namespace
}  // namespace cohort::reward
