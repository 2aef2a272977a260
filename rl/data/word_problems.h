#pragma once

#include "base/counter_random.h"
#include "rl/data/problem.h"

namespace cohort::rl {

// An English arithmetic word problem of one or two steps over +, - and x, with small integers. The
// answer is the integer; the completion works it out and ends in "The answer is N."
Problem WordProblem(base::CounterRandom* random);

}  // namespace cohort::rl
