#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "reward/code/box/pool.h"
#include "reward/code/box/run.h"
#include "reward/code/language.h"

namespace cohort::reward::judge {

// One submission while it is judged: its box, made anew when a test took it down, and the time its
// programs ran. Owned by one coroutine.
class Submission {
 public:
  Submission(BoxPool* boxes, const Language& language, const ProgramLimits& limits,
             std::string code)
      : boxes_(boxes), language_(language), limits_(limits), code_(std::move(code)) {}

  // A box that holds the source, compiled; nothing when the compiler refused it (`compile_error`
  // says why) or was stopped.
  boost::asio::awaitable<Box*> Prepare();
  // The same; no file of a program that ran in it before is left, the compiler's are as it left
  // them. To be used for every test or for none.
  boost::asio::awaitable<Box*> PrepareClean();
  const TestResult& compile_error() const { return compile_error_; }

  // Runs a program, which the caller keeps, in the prepared box; closes the box when the program
  // took it down.
  boost::asio::awaitable<RunResult> Run(const Program& program);

  void DropBox() {
    box_.reset();
    is_kept_ = false;
  }
  Box* box() { return box_.get(); }
  const ProgramLimits& limits() const { return limits_; }
  const Language& language() const { return language_; }
  // Time that the compiler and the submission's programs ran, one that runs now included, without
  // what they waited for a core.
  std::chrono::milliseconds ran() const;

 private:
  boost::asio::awaitable<bool> Compile();

  BoxPool* const boxes_;
  const Language& language_;
  const ProgramLimits limits_;
  const std::string code_;
  std::unique_ptr<Box> box_;
  bool is_kept_ = false;  // box_ knows its files
  TestResult compile_error_;
  std::chrono::steady_clock::duration ran_{0};
  std::optional<std::chrono::steady_clock::time_point> running_since_;
};

}  // namespace cohort::reward::judge
