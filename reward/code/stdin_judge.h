#pragma once

#include "reward/code/checker.h"
#include "reward/code/judge.h"
#include "reward/code/submission.h"

namespace cohort::reward::judge {

// Runs the program once for each test, with its input, and compares what it prints. Fills
// `judgement` test by test, so that the finished tests count when the time runs out. `checker` is
// null unless the task compares with one.
boost::asio::awaitable<void> JudgeStdin(const CodeTask& task, Submission* submission,
                                        Checker* checker, Judgement* judgement);

}  // namespace cohort::reward::judge
