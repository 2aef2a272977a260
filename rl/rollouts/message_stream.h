#pragma once

// gRPC's callback API as Boost.Asio awaitables: a stream of messages that a coroutine reads.

#include <grpcpp/support/client_callback.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace cohort::rl {

// One server-streaming call. gRPC's threads fill it, one coroutine on `executor` (a single thread)
// reads it to its end, which is what ties the two lifetimes together.
template <class Message>
class MessageStream : public grpc::ClientReadReactor<Message>,
                      public std::enable_shared_from_this<MessageStream<Message>> {
 public:
  MessageStream(boost::asio::any_io_executor executor, std::chrono::milliseconds deadline)
      : executor_(executor), wake_(std::in_place, executor) {
    context_.set_deadline(std::chrono::system_clock::now() + deadline);
  }

  grpc::ClientContext& context() { return context_; }

  // After the stub's method was given context() and this object.
  void Start() {
    self_ = this->shared_from_this();
    this->StartRead(&incoming_);
    this->StartCall();
  }

  // The messages since the last read, at least one; nothing: the stream has ended and
  // status() is set.
  boost::asio::awaitable<std::vector<Message>> Read() {
    while (true) {
      std::vector<Message> messages;
      bool resume = false;
      {
        std::lock_guard lock(mutex_);
        messages.swap(messages_);
        resume = std::exchange(paused_, false);
        if (messages.empty() && done_) break;
        waiting_ = messages.empty();
      }
      if (resume) this->StartRead(&incoming_);
      if (!messages.empty()) co_return messages;
      wake_->expires_at(boost::asio::steady_timer::time_point::max());
      boost::system::error_code ignored;
      co_await wake_->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    wake_.reset();  // it must not outlive the executor's context, as this object may
    co_return std::vector<Message>();
  }

  const grpc::Status& status() const { return status_; }

 private:
  static constexpr size_t kMaxUnread = 4096;  // then the peer waits (HTTP/2 flow control)

  void OnReadDone(bool ok) override {
    if (!ok) return;  // OnDone follows
    {
      std::lock_guard lock(mutex_);
      messages_.push_back(std::move(incoming_));
      incoming_.Clear();
      Wake();
      paused_ = messages_.size() >= kMaxUnread;
      if (paused_) return;
    }
    this->StartRead(&incoming_);
  }

  void OnDone(const grpc::Status& status) override {
    const auto self = std::move(self_);
    std::lock_guard lock(mutex_);
    status_ = status;
    done_ = true;
    Wake();
  }

  // Posted under the lock: the reader passes it before it can end, so the context is still there.
  void Wake() {
    if (!std::exchange(waiting_, false)) return;
    boost::asio::post(executor_, [self = this->shared_from_this()] {
      if (self->wake_.has_value()) self->wake_->cancel();
    });
  }

  boost::asio::any_io_executor executor_;
  grpc::ClientContext context_;
  std::shared_ptr<MessageStream> self_;  // until OnDone: gRPC holds a plain pointer
  Message incoming_;
  std::optional<boost::asio::steady_timer> wake_;  // the executor's thread only
  std::mutex mutex_;
  std::vector<Message> messages_;
  bool waiting_ = false;
  bool paused_ = false;
  bool done_ = false;
  grpc::Status status_;
};

}  // namespace cohort::rl
