#pragma once

// Some services of one kind (rollout workers, reward services) as those who call them see them.

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>

namespace cohort::rl {

// Where one service can be reached at this moment.
struct Endpoint {
  std::shared_ptr<grpc::Channel> channel;
  uint64_t incarnation = 0;  // changes with every restart; calls to an earlier one are lost
  bool ready = false;        // answers, and is up to date (a worker has the published weights)
  std::string failure;       // not empty: given up, and why
};

// Thread-safe.
class ServicePool {
 public:
  virtual ~ServicePool() = default;

  virtual int size() const = 0;  // fixed; services that are given up count
  virtual Endpoint endpoint(int index) const = 0;
  // A call to that endpoint broke: it is looked at at once rather than at the next heartbeat.
  virtual void ReportBroken(int index) = 0;
  // It answers what cannot be true: nobody asks it again, and its endpoint names the reason.
  virtual void LeaveOut(int index, const std::string& reason) = 0;
  virtual uint32_t restarts() const = 0;  // of all of them, since the start
};

}  // namespace cohort::rl
