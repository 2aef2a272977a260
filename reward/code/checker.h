#pragma once

#include <boost/asio/awaitable.hpp>

#include "reward/code/submission.h"
#include "reward/code/task.h"

namespace cohort::reward::judge {

// A program of the dataset that decides whether an output is right, as testlib's do: it is run as
// `checker INPUT OUTPUT ANSWER` (files) and exits with 0 for right, 1 or 2 for wrong. It has a box
// of its own, where no submission ever ran. Owned by one coroutine.
class Checker {
 public:
  Checker(BoxPool* boxes, const Language& language, const ProgramLimits& limits,
          std::string source);

  // Errors: kUsage when it does not compile; kEnvironment when it neither accepts nor refuses.
  boost::asio::awaitable<bool> Accepts(const StdinTest& test, const std::string& output);

 private:
  Submission program_;
};

}  // namespace cohort::reward::judge
