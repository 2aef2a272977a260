#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <mutex>
#include <set>

namespace cohort::rl {

// Blocking calls of one thread that another thread can cut short. Thread-safe.
class CancellableCalls {
 public:
  // The context of one call; lives no longer than its CancellableCalls.
  class Context {
   public:
    Context(CancellableCalls& calls, std::chrono::milliseconds deadline) : calls_(calls) {
      context_.set_deadline(std::chrono::system_clock::now() + deadline);
      std::lock_guard lock(calls_.mutex_);
      calls_.running_.insert(&context_);
      if (calls_.cancelled_) context_.TryCancel();
    }
    ~Context() {
      std::lock_guard lock(calls_.mutex_);
      calls_.running_.erase(&context_);
    }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    grpc::ClientContext& operator*() { return context_; }

   private:
    CancellableCalls& calls_;
    grpc::ClientContext context_;
  };

  // Calls that run and calls that are still to come end with CANCELLED.
  void CancelAll() {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    for (grpc::ClientContext* context : running_) context->TryCancel();
  }

 private:
  std::mutex mutex_;
  std::set<grpc::ClientContext*> running_;
  bool cancelled_ = false;
};

}  // namespace cohort::rl
