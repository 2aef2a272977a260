#pragma once

// Bounds of the work of one verdict. Answers come from a policy that is rewarded for finding what
// breaks its grader, so each bound is checked before the work is done, never after.

#include <cstddef>
#include <cstdint>

namespace cohort::reward::math {

constexpr size_t kMaxResponseTail = size_t{256} << 10;  // bytes of a response that are searched
constexpr size_t kMaxAnswerBytes = size_t{16} << 10;    // longer answers compare as text
constexpr size_t kMaxTokens = 6000;
constexpr size_t kMaxNodes = 40000;       // of both answers and what is derived from them
constexpr int kMaxDepth = 1500;           // open productions; a bracket takes about six
constexpr int kMaxTreeDepth = 1000;       // of an expression, so that walks over it may recurse
constexpr uint32_t kMaxTreeSize = 20000;  // of its nodes, shared ones counted each time
constexpr size_t kMaxListItems = 200;     // items of a list, tuple, set or matrix
constexpr size_t kMaxTextBytes = size_t{1} << 20;  // texts compared as texts

constexpr int64_t kMaxExactBits = int64_t{1} << 17;  // of an exact integer or rational
constexpr int64_t kMaxPrecision = 8192;              // bits of a ball
constexpr int64_t kMaxSeriesTerms = 2000;            // of a written-out sum or product
constexpr int64_t kMaxSteps = 250'000;               // work of one comparison, see Work

// Bits of agreement that make two values equal where no proof of equality is at hand.
constexpr int64_t kAgreementBits = 1000;

// The steps one verdict may take. A step is about 40 ns: one operation on small numbers, or the
// like share of a larger one. Not thread-safe; one verdict owns it.
class Work {
 public:
  explicit Work(int64_t steps = kMaxSteps) : left_(steps) {}

  // False once the budget is spent; the caller gives up.
  bool Spend(int64_t steps) {
    left_ -= steps;
    return left_ >= 0;
  }
  bool Exhausted() const { return left_ < 0; }

 private:
  int64_t left_;
};

}  // namespace cohort::reward::math
