#pragma once

// Judges a submission: compiles it and runs its tests in boxes, and compares outside.

#include <memory>
#include <string>

#include "reward/code/box/verdict.h"
#include "reward/code/language.h"
#include "reward/code/task.h"
#include "reward/grader.h"

namespace cohort::reward::judge {

struct Judgement {
  std::vector<TestResult> results;  // one for each test
  size_t passed() const;
  const TestResult* FirstFailure() const;  // null: all passed
};

// The budget of the sample ran out although the submission used little of it: nobody's verdict.
class OutOfBudget {};

// Thread-safe; each call drives its own boxes on the calling thread. Every process of a submission
// is dead and reaped when its judgement is there.
class CodeJudge {
 public:
  // Errors: kEnvironment when this machine cannot confine programs.
  explicit CodeJudge(std::map<std::string, Language> languages);
  ~CodeJudge();

  // Errors: kUsage for a language that is not configured; kEnvironment for faults of the machine;
  // OutOfBudget.
  Judgement Run(const CodeTask& task, const std::string& code, const Budget& budget) const;

  const Language& FindLanguage(const std::string& name) const;

 private:
  std::map<std::string, Language> languages_;
  std::unique_ptr<class BoxPool> boxes_;
  std::unique_ptr<class Examiner> examiner_;
};

}  // namespace cohort::reward::judge
