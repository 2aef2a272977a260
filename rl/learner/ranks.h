#pragma once

// Learner ranks that train one policy together. Rank 0 owns rollouts and journal; ranks only sum.

#include <ATen/core/Tensor.h>

#include <chrono>
#include <span>
#include <string>
#include <vector>

namespace cohort::rl {

// One rank's end of the group. Every rank makes the same calls in the same order with arguments of
// the same shapes; a call returns when all ranks have made it. Sums are added up in an order that
// does not change, and come out bit for bit the same on every rank. Owned by one thread.
// Errors of every call: kEnvironment when a rank fails or does not come before the deadline.
class Ranks {
 public:
  virtual ~Ranks() = default;

  virtual int rank() const = 0;
  virtual int world() const = 0;  // how many ranks there are

  // Each tensor becomes its sum over the ranks, in place.
  virtual void SumTensors(const std::vector<at::Tensor>& tensors) = 0;
  // Each value becomes its sum, or its largest, over the ranks. Counts are exact up to 2^53.
  virtual void SumValues(std::span<double> values) = 0;
  virtual void MaxValues(std::span<double> values) = 0;
  // Rank 0's bytes, on every rank; what the others give is ignored.
  virtual std::string Broadcast(std::string bytes) = 0;
  virtual void Barrier(std::chrono::milliseconds deadline) = 0;
};

// A learner by itself: every sum is its own.
class OneRank final : public Ranks {
 public:
  int rank() const override { return 0; }
  int world() const override { return 1; }
  void SumTensors(const std::vector<at::Tensor>&) override {}
  void SumValues(std::span<double>) override {}
  void MaxValues(std::span<double>) override {}
  std::string Broadcast(std::string bytes) override { return bytes; }
  void Barrier(std::chrono::milliseconds) override {}
};

}  // namespace cohort::rl
