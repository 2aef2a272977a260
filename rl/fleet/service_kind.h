#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "rl/fleet/cancellable_calls.h"

namespace cohort::rl {

// A service's answer to "how are you".
struct Heartbeat {
  bool busy = false;      // has work, so `progress` must move
  uint64_t progress = 0;  // counts what it has done
  int64_t version = 0;    // of what it serves
};

// The part of supervising that differs between workers, reward services and others. Thread-safe:
// every supervisor calls it from its own thread. Blocking calls go through `calls`, so that a stop
// cuts them short. Both may throw Error: the service cannot serve this run and is left out.
class ServiceKind {
 public:
  using Channel = std::shared_ptr<grpc::Channel>;

  virtual ~ServiceKind() = default;

  virtual grpc::Status AskHealth(const Channel& channel, CancellableCalls& calls,
                                 std::chrono::milliseconds deadline, Heartbeat* heartbeat) = 0;
  // The version that a service must have before it is ready.
  virtual int64_t wanted_version() const { return 0; }
  // Brings a service that answered to the wanted version: the version that it has then, or nothing
  // where that failed and must be tried again. `name` is the service's, for messages.
  virtual std::optional<int64_t> Update(const std::string& name, const Channel& channel,
                                        const std::string& address, CancellableCalls& calls) {
    static_cast<void>(name), static_cast<void>(channel), static_cast<void>(address),
        static_cast<void>(calls);
    return 0;
  }
};

}  // namespace cohort::rl
