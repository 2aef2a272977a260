#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "reward/code/box/box.h"

namespace cohort::reward::judge {

// The trusted side of calls and asserts: one Python process in a box of its own, which no
// submission ever enters, and a child of it for each task (examine.py). Started when first needed,
// and again when it is gone. Thread-safe.
class Examiner {
 public:
  explicit Examiner(Sandbox* sandbox);
  ~Examiner();

  struct Child {
    uint64_t number = 0;
    uint64_t start = 0;  // which start of the examiner it belongs to
  };
  // A child begins with `task` (JSON), talks to the submission through `solution` and reports on
  // `report`, both of which stay the caller's. Errors: kEnvironment.
  Child Begin(const std::string& task, int solution, int report);
  void Kill(const Child& child);
  // Whether the examiner itself still runs: a child that ended before its time did so alone.
  bool Survives(const Child& child);

 private:
  void Start();       // under mutex_
  bool Runs() const;  // under mutex_
  bool Send(const std::string& message, const std::vector<int>& fds);

  Sandbox* const sandbox_;
  const std::string script_;
  std::mutex mutex_;
  std::unique_ptr<Box> box_;  // guarded by mutex_
  int tasks_ = -1;            // guarded by mutex_
  uint64_t begun_ = 0;        // guarded by mutex_
  uint64_t starts_ = 0;       // guarded by mutex_
};

}  // namespace cohort::reward::judge
