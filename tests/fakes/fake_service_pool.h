#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "rl/fleet/service_pool.h"

namespace cohort::rl {

// Services in this process, without sockets. A test makes them fail, stall and lie by what it has
// the service do, and restarts them or gives them up here. Thread-safe.
template <class Service>
class FakeServicePool final : public ServicePool {
 public:
  explicit FakeServicePool(int size) : members_(static_cast<size_t>(size)) {
    for (Member& member : members_) Start(member);
  }
  ~FakeServicePool() override {
    for (Member& member : members_) {
      if (member.server != nullptr) member.server->Shutdown(std::chrono::system_clock::now());
    }
  }

  Service& service(int index) { return *members_.at(static_cast<size_t>(index)).service; }

  // Calls that run are lost; the same service answers under a new incarnation.
  void Restart(int index) {
    const std::lock_guard lock(mutex_);
    Member& member = members_.at(static_cast<size_t>(index));
    ++member.endpoint.incarnation;
    ++restarts_;
  }
  void SetReady(int index, bool ready) {
    const std::lock_guard lock(mutex_);
    members_.at(static_cast<size_t>(index)).endpoint.ready = ready;
  }
  void LeaveOut(int index, const std::string& failure) override {
    const std::lock_guard lock(mutex_);
    Endpoint& endpoint = members_.at(static_cast<size_t>(index)).endpoint;
    endpoint.ready = false;
    endpoint.failure = failure;
  }
  int reported_broken() const {
    const std::lock_guard lock(mutex_);
    return reported_broken_;
  }

  int size() const override { return static_cast<int>(members_.size()); }
  Endpoint endpoint(int index) const override {
    const std::lock_guard lock(mutex_);
    return members_.at(static_cast<size_t>(index)).endpoint;
  }
  void ReportBroken(int) override {
    const std::lock_guard lock(mutex_);
    ++reported_broken_;
  }
  uint32_t restarts() const override {
    const std::lock_guard lock(mutex_);
    return restarts_;
  }

 private:
  struct Member {
    std::unique_ptr<Service> service = std::make_unique<Service>();
    std::unique_ptr<grpc::Server> server;
    Endpoint endpoint;
  };

  static void Start(Member& member) {
    grpc::ServerBuilder builder;
    builder.RegisterService(member.service.get());
    member.server = builder.BuildAndStart();
    member.endpoint.channel = member.server->InProcessChannel({});
    member.endpoint.incarnation = 1;
    member.endpoint.ready = true;
  }

  mutable std::mutex mutex_;
  std::vector<Member> members_;
  int reported_broken_ = 0;
  uint32_t restarts_ = 0;
};

}  // namespace cohort::rl
