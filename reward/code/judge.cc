#include "reward/code/judge.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "base/nearest_name.h"
#include "reward/code/call_judge.h"
#include "reward/code/stdin_judge.h"

namespace cohort::reward::judge {
namespace {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;

// Returns when the budget is used up or the call was cancelled.
asio::awaitable<void> WatchBudget(const Budget& budget) {
  constexpr std::chrono::milliseconds kLook(50);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (!budget.Exhausted()) {
    timer.expires_after(std::min(kLook, budget.Left()));
    co_await timer.async_wait(asio::use_awaitable);
  }
}

void FillUp(const CodeTask& task, const TestResult& result, Judgement* judgement) {
  judgement->results.resize(std::max(judgement->results.size(), task.total()), result);
}

}  // namespace

size_t Judgement::passed() const {
  return static_cast<size_t>(std::count_if(results.begin(), results.end(), [](const auto& result) {
    return result.verdict == TestVerdict::kAccepted;
  }));
}

const TestResult* Judgement::FirstFailure() const {
  for (const TestResult& result : results) {
    if (result.verdict != TestVerdict::kAccepted) return &result;
  }
  return nullptr;
}

CodeJudge::CodeJudge(std::map<std::string, Language> languages) : languages_(std::move(languages)) {
  Sandbox& sandbox = Sandbox::OfThisProcess();
  sandbox.RequireProtections();
  boxes_ = std::make_unique<BoxPool>(&sandbox);
  examiner_ = std::make_unique<Examiner>(&sandbox);
}

CodeJudge::~CodeJudge() {
  examiner_.reset();
  boxes_.reset();
  Sandbox::OfThisProcess().DropIdleSlots();
}

const Language& CodeJudge::FindLanguage(const std::string& name) const {
  const auto found = languages_.find(name);
  if (found != languages_.end()) return found->second;
  for (const auto& [known, language] : languages_) {  // "c++", "python3"
    for (const std::string& tag : language.tags) {
      if (tag == name) return language;
    }
  }
  std::vector<std::string> names;
  for (const auto& [known, language] : languages_) names.push_back(known);
  throw Error(ErrorCode::kUsage, "language '" + name.substr(0, 40) + "' is not configured" +
                                     base::DidYouMean(name.substr(0, 40), names));
}

Judgement CodeJudge::Run(const CodeTask& task, const std::string& code,
                         const Budget& budget) const {
  const BoxPool::Caller caller(boxes_.get());
  const Language& language = FindLanguage(task.language);
  if (task.mode != TestMode::kStdin && language.name != "python") {
    throw Error(ErrorCode::kUsage, "modes call and assert are for python, not " + language.name);
  }
  Submission submission(boxes_.get(), language, task.limits, code);
  std::optional<Checker> checker;
  if (task.compare.method == Compare::Method::kChecker) {
    checker.emplace(boxes_.get(), FindLanguage(task.checker_language), task.limits, task.checker);
  }
  Judgement judgement;
  bool finished = false;
  std::exception_ptr failure;
  asio::io_context io(1);
  const auto judge = [&]() -> asio::awaitable<void> {
    try {  // || below waits for one that succeeds: a failure must not wait for the budget's end
      if (task.mode == TestMode::kStdin) {
        co_await JudgeStdin(task, &submission, checker ? &*checker : nullptr, &judgement);
      } else {
        co_await JudgeCalls(task, &submission, examiner_.get(), &judgement);
      }
      finished = true;
    } catch (...) {
      failure = std::current_exception();
    }
  };
  bool exhausted = false;
  const auto watch = [&]() -> asio::awaitable<void> {
    co_await WatchBudget(budget);
    exhausted = true;
  };
  // Sleepers that nobody waits for any more are dropped with the context.
  asio::co_spawn(io, judge() || watch(), [&](const auto&...) { io.stop(); });
  io.run();
  // Less than this is no more than starting a program on a busy machine.
  constexpr std::chrono::milliseconds kNoticeable(500);
  const bool used_by_submission =
      exhausted && submission.ran() >= std::max(budget.limit() / 2, kNoticeable);
  submission.DropBox();
  checker.reset();
  if (finished) {
    FillUp(task, {TestVerdict::kWrongAnswer, "not run: another test failed before"}, &judgement);
    return judgement;
  }
  if (failure != nullptr && !exhausted) std::rethrow_exception(failure);
  if (budget.Cancelled()) throw Error(ErrorCode::kUnavailable, "the call was cancelled");
  const bool decided = task.all_or_nothing && judgement.FirstFailure() != nullptr;
  if (!used_by_submission && !decided) throw OutOfBudget();
  FillUp(task, {TestVerdict::kTimeLimit, "the sample's time is over"}, &judgement);
  return judgement;
}

}  // namespace cohort::reward::judge
