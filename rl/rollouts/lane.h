#pragma once

#include <grpcpp/support/status.h>

#include "rl/fleet/service_pool.h"
#include "rl/rollouts/collect_state.h"

namespace cohort::rl {

// Work of one kind that the services of one pool do for a Collect: workers sample, reward services
// judge. The work waits in the lane; each service takes some of it at a time.
class Lane {
 public:
  struct Served {
    grpc::Status status;
    bool progressed = false;  // the call brought something, however it ended
  };

  virtual ~Lane() = default;

  virtual const char* service_name() const = 0;  // for people: "rollout worker"
  virtual bool HasWork() const = 0;
  // One call with some of the work, which is not empty; what the call did not do waits again.
  // Throws where nobody could do it.
  virtual Awaitable<Served> Serve(const Endpoint& endpoint, int index) = 0;
};

// Has service `index` of `pool` do the lane's work until the Collect is finished; a service that
// fails is asked again after a pause that grows to a second.
Awaitable<void> Drive(CollectState& state, Lane& lane, ServicePool& pool, int index);

}  // namespace cohort::rl
