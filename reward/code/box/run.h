#pragma once

// Programs run in a box, driven by Asio: one coroutine a run, each with a deadline.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "reward/code/box/box.h"
#include "reward/code/box/verdict.h"

namespace cohort::reward::judge {

struct Program {
  std::vector<std::string> argv;
  std::string input;  // its stdin, a read-only file
  int channel = -1;   // becomes its descriptor 3; stays the caller's
  RunLimits limits;
  std::chrono::milliseconds wall{0};
  size_t stdout_bytes = 0;  // more ends it
};

struct RunResult {
  BoxReply reply;
  std::string output;
  std::string errors;          // the first 8 KiB of its stderr
  bool late = false;           // stopped at the wall limit
  bool output_limit = false;   // stopped for its output
  bool lost = false;           // the box is gone, by the program's doing: close it
  bool out_of_memory = false;  // the kernel killed a process of the group
};

// Waits for the box's first message. Errors: kEnvironment when it does not come in 10 s or says
// that a protection failed.
boost::asio::awaitable<void> AwaitReady(Box* box);

// Makes the work folder what it was when the box's files were kept. False when that failed: the box
// is of no more use.
boost::asio::awaitable<bool> RestoreFiles(Box* box);

// Starts it and waits for nothing; its BoxReply will have `number`. False when the box is gone.
bool StartProgram(Box* box, const Program& program, uint32_t number, int output, int errors);

// Runs it to its end; every process it started is dead then, unless `lost`. The caller keeps both
// until then.
boost::asio::awaitable<RunResult> RunProgram(Box* box, const Program& program);

// Sleeps for a program's wall time. While others keep the machine's cores from the program its time
// stands still, up to three times `wall` in all. `box` gives its box, or null when that is gone.
boost::asio::awaitable<void> SleepWhileItRuns(std::function<Box*()> box,
                                              std::chrono::milliseconds wall);

// The verdict on a test whose program ended like this: kAccepted when it exited with 0.
TestResult VerdictOf(const RunResult& result);

// ProgramLimits as the box's first process takes them. Without a control group it also measures
// memory.
RunLimits RunLimitsOf(const ProgramLimits& limits, bool has_group);

}  // namespace cohort::reward::judge
