#include "rl/rollouts/lane.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace cohort::rl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPoll{10};
constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kLongestBackoff{1'000};

}  // namespace

Awaitable<void> Drive(CollectState& state, Lane& lane, ServicePool& pool, int index) {
  milliseconds backoff = kFirstBackoff;
  while (!state.Finished()) {
    if (!lane.HasWork()) {
      co_await state.changed().Wait(kLongestBackoff);
      continue;
    }
    const Endpoint endpoint = pool.endpoint(index);
    if (!endpoint.ready) {
      co_await state.changed().Wait(kPoll);
      continue;
    }
    const Lane::Served served = co_await lane.Serve(endpoint, index);
    // A call whose answers are all there at once has not waited: the other services come first.
    co_await boost::asio::post(state.executor(), boost::asio::use_awaitable);
    if (served.status.ok() || served.progressed) backoff = kFirstBackoff;
    if (served.status.ok() || state.Finished()) continue;
    spdlog::warn("{} {}: {}", lane.service_name(), index, served.status.error_message());
    pool.ReportBroken(index);
    // Notifications do not cut the pause short: a service that is starting again would use up the
    // attempts of its work within milliseconds.
    const auto end = CollectState::Clock::now() + backoff;
    while (!state.Finished() && CollectState::Clock::now() < end) {
      co_await state.changed().Wait(
          std::chrono::ceil<milliseconds>(end - CollectState::Clock::now()));
    }
    backoff = std::min(2 * backoff, kLongestBackoff);
  }
}

}  // namespace cohort::rl
