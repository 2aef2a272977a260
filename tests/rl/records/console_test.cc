#include "rl/records/console.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cohort::rl {
namespace {

using testing::HasSubstr;
using testing::Not;

StepMetrics GrpoStep() {
  StepMetrics m;
  m.step = 12;
  m.phase = "grpo";
  m.round = 2;
  m.loss = 0.001;
  m.reward_mean = 0.53;
  m.reward_std = 0.5;
  m.kl = 0.0012;
  m.clip_fraction = 0.031;
  m.entropy = 0.47;
  m.decode_tokens_per_s = 52'300;
  m.train_tokens_per_s = 3'140;
  m.zero_variance_groups = 12;
  m.groups = 64;
  return m;
}

const RunPosition kPosition{150, 4, 100};

TEST(Console, AProgressLineTellsTheWholeStep) {
  EXPECT_EQ(ProgressLine(GrpoStep(), kPosition, 500),
            "step 12/150 grpo round 2/4 | eta 1m40s | reward 0.53+-0.50 | kl 0.0012 | clip 3.1% | "
            "entropy 0.47 | decode 52k tok/s | train 3.1k tok/s | zero-variance 12/64");
  StepMetrics sft;
  sft.step = 1;
  sft.phase = "sft";
  sft.round = 1;
  sft.loss = 2.5;
  EXPECT_EQ(ProgressLine(sft, {2, 1, {}}, 500), "step 1/2 sft round 1/1 | loss 2.5000");
}

TEST(Console, RatesAreShownShort) {
  StepMetrics m = GrpoStep();
  for (const auto& [rate, text] : std::vector<std::pair<double, std::string>>{
           {950, "950"}, {9'540, "9.5k"}, {999'499, "999k"}, {1'240'000, "1.2M"}}) {
    m.train_tokens_per_s = rate;
    EXPECT_THAT(ProgressLine(m, kPosition, 500), HasSubstr(" | train " + text + " tok/s"));
  }
}

TEST(Console, AProgressLineFitsTheTerminal) {
  for (int width : {20, 40, 79}) {
    EXPECT_LE(ProgressLine(GrpoStep(), kPosition, width).size(), static_cast<size_t>(width));
  }
}

TEST(Console, DurationsReadAsPeopleWriteThem) {
  EXPECT_EQ(FormatDuration(0.4), "0s");
  EXPECT_EQ(FormatDuration(59.6), "1m00s");
  EXPECT_EQ(FormatDuration(7500), "2h05m");
  EXPECT_EQ(FormatDuration(-1), "0s");
}

TEST(Console, ATerminalLineIsRewrittenInPlaceAndEndsBeforeANote) {
  testing::internal::CaptureStderr();
  {
    Console console(/*terminal=*/true, /*color=*/false, 200);
    console.Show(GrpoStep(), kPosition);
    console.Show(GrpoStep(), kPosition);
    console.Note("note");
    console.Show(GrpoStep(), kPosition);
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 3);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3)
      << "before the note, after it, at the end";
  EXPECT_THAT(text, HasSubstr("\nnote\n"));
}

TEST(Console, WithoutATerminalLinesArePlainAndSparse) {
  testing::internal::CaptureStderr();
  {
    Console console(/*terminal=*/false, /*color=*/true, 40);
    for (int i = 0; i < 100; ++i) console.Show(GrpoStep(), kPosition);
    StepMetrics last = GrpoStep();
    last.step = kPosition.total_steps;
    console.Show(last, kPosition);
    console.Warn("careful");
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << "first, last, warning: " << text;
  EXPECT_THAT(text, HasSubstr("step 150/150"));
  EXPECT_THAT(text, HasSubstr("zero-variance 12/64\n")) << "a log is not cut";
  EXPECT_THAT(text, HasSubstr("warning: careful\n"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b"))) << "no escape codes in a log";
}

TEST(Console, ColorIsOnlyForTerminalsThatWantIt) {
  testing::internal::CaptureStderr();
  Console(true, true, 80).Warn("a");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("\x1b[33m"));
  testing::internal::CaptureStderr();
  Console(true, false, 80).Warn("a");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "warning: a\n");
}

}  // namespace
}  // namespace cohort::rl
