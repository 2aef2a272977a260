#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <set>
#include <utility>

namespace cohort::rl {

// A condition that coroutines of one thread wait for.
class Event {
 public:
  explicit Event(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  // Returns at the next NotifyAll, or after `limit`.
  boost::asio::awaitable<void> Wait(std::chrono::milliseconds limit) {
    boost::asio::steady_timer timer(executor_, limit);
    waiting_.insert(&timer);
    boost::system::error_code ignored;
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    waiting_.erase(&timer);
  }
  void NotifyAll() {
    for (boost::asio::steady_timer* timer : waiting_) timer->cancel();
  }

 private:
  boost::asio::any_io_executor executor_;
  std::set<boost::asio::steady_timer*> waiting_;
};

}  // namespace cohort::rl
