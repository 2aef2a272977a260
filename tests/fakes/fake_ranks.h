#pragma once

// Learner ranks as threads of one process: sums in the order of the ranks, and ranks that fail.

#include <ATen/ATen.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "rl/learner/ranks.h"

namespace cohort::rl {

class FakeRanks {
 public:
  explicit FakeRanks(int world, std::chrono::milliseconds deadline = std::chrono::seconds(60))
      : deadline_(deadline), values_(static_cast<size_t>(world)) {}

  // Runs `body` as every rank, each on a thread of its own; rethrows the lowest rank's error.
  void Run(const std::function<void(const std::shared_ptr<Ranks>&)>& body) {
    std::vector<std::exception_ptr> errors(values_.size());
    std::vector<std::thread> threads;
    for (size_t rank = 0; rank < values_.size(); ++rank) {
      threads.emplace_back([&, rank] {
        try {
          body(std::make_shared<End>(*this, static_cast<int>(rank)));
        } catch (...) {
          errors[rank] = std::current_exception();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& error : errors) {
      if (error) std::rethrow_exception(error);
    }
  }

 private:
  // Whatever the ranks exchange; a call uses one of them.
  struct Values {
    std::vector<at::Tensor> tensors;
    std::vector<double> numbers;
    std::string bytes;
  };

  class End final : public Ranks {
   public:
    End(FakeRanks& group, int rank) : group_(group), rank_(rank) {}
    int rank() const override { return rank_; }
    int world() const override { return static_cast<int>(group_.values_.size()); }

    void SumTensors(const std::vector<at::Tensor>& tensors) override {
      const at::NoGradGuard no_grad;
      Values own;
      for (const at::Tensor& tensor : tensors) own.tensors.push_back(tensor.clone());
      const std::vector<Values> all = group_.Exchange(rank_, std::move(own), group_.deadline_);
      for (size_t i = 0; i < tensors.size(); ++i) {
        at::Tensor sum = all[0].tensors.at(i).clone();
        for (size_t r = 1; r < all.size(); ++r) sum.add_(all[r].tensors.at(i));
        at::Tensor(tensors[i]).copy_(sum);
      }
    }
    void SumValues(std::span<double> values) override {
      Reduce(values, [](double a, double b) { return a + b; });
    }
    void MaxValues(std::span<double> values) override {
      Reduce(values, [](double a, double b) { return std::max(a, b); });
    }
    std::string Broadcast(std::string bytes) override {
      return group_.Exchange(rank_, {{}, {}, std::move(bytes)}, group_.deadline_)[0].bytes;
    }
    void Barrier(std::chrono::milliseconds deadline) override {
      group_.Exchange(rank_, {}, deadline);
    }

   private:
    void Reduce(std::span<double> values, double (*combine)(double, double)) {
      Values own;
      own.numbers.assign(values.begin(), values.end());
      const std::vector<Values> all = group_.Exchange(rank_, std::move(own), group_.deadline_);
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = all[0].numbers.at(i);
        for (size_t r = 1; r < all.size(); ++r) {
          values[i] = combine(values[i], all[r].numbers.at(i));
        }
      }
    }

    FakeRanks& group_;
    int rank_;
  };

  // Returns every rank's values, by rank, once all have given; twice per call all ranks meet, so
  // that nobody gives anew before all have read.
  std::vector<Values> Exchange(int rank, Values own, std::chrono::milliseconds deadline) {
    {
      const std::lock_guard lock(mutex_);
      values_[static_cast<size_t>(rank)] = std::move(own);
    }
    Meet(deadline);
    std::vector<Values> all;
    {
      const std::lock_guard lock(mutex_);
      all = values_;
    }
    Meet(deadline);
    return all;
  }

  void Meet(std::chrono::milliseconds deadline) {
    std::unique_lock lock(mutex_);
    const int64_t meeting = meetings_;
    if (++arrived_ == static_cast<int64_t>(values_.size())) {
      arrived_ = 0;
      ++meetings_;
      met_.notify_all();
      return;
    }
    if (met_.wait_for(lock, deadline, [&] { return meetings_ != meeting; })) return;
    throw Error(ErrorCode::kEnvironment, "a learner rank did not come before the deadline");
  }

  const std::chrono::milliseconds deadline_;
  std::mutex mutex_;
  std::condition_variable met_;
  std::vector<Values> values_;  // by rank
  int64_t arrived_ = 0;
  int64_t meetings_ = 0;
};

}  // namespace cohort::rl
