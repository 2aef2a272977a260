#pragma once

#include "reward/code/examiner.h"
#include "reward/code/judge.h"
#include "reward/code/submission.h"

namespace cohort::reward::judge {

// Calls the submission's functions, and runs asserts on them, from the examiner's box. Fills
// `judgement` test by test, so that the finished tests count when the time runs out.
boost::asio::awaitable<void> JudgeCalls(const CodeTask& task, Submission* submission,
                                        Examiner* examiner, Judgement* judgement);

}  // namespace cohort::reward::judge
