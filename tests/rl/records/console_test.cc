#include "rl/records/console.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cohort::rl {
namespace {

using testing::HasSubstr;
using testing::Not;

Progress GrpoStep() {
  Progress p;
  p.step = 12;
  p.total_steps = 150;
  p.phase = "grpo";
  p.round = 2;
  p.rounds = 4;
  p.eta_s = 100;
  p.reward_mean = 0.53;
  p.reward_std = 0.5;
  p.kl = 0.0012;
  p.clip_fraction = 0.031;
  p.entropy = 0.47;
  p.decode_tokens_per_s = 52'300;
  p.train_tokens_per_s = 3'140;
  p.zero_variance_groups = 12;
  p.groups = 64;
  return p;
}

TEST(Console, AProgressLineTellsTheWholeStep) {
  EXPECT_EQ(ProgressLine(GrpoStep(), 500),
            "step 12/150 grpo round 2/4 | eta 1m40s | reward 0.53+-0.50 | kl 0.0012 | clip 3.1% | "
            "entropy 0.47 | decode 52k tok/s | train 3.1k tok/s | zero-variance 12/64");
  Progress sft;
  sft.step = 1;
  sft.total_steps = 2;
  sft.phase = "sft";
  sft.round = sft.rounds = 1;
  sft.loss = 2.5;
  EXPECT_EQ(ProgressLine(sft, 500), "step 1/2 sft round 1/1 | loss 2.5000");
}

TEST(Console, AProgressLineFitsTheTerminal) {
  for (int width : {20, 40, 79}) {
    EXPECT_LE(ProgressLine(GrpoStep(), width).size(), static_cast<size_t>(width));
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
    console.Show(GrpoStep());
    console.Show(GrpoStep());
    console.Note("note");
    console.Show(GrpoStep());
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
    for (int i = 0; i < 100; ++i) console.Show(GrpoStep());
    Progress last = GrpoStep();
    last.step = last.total_steps;
    console.Show(last);
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
