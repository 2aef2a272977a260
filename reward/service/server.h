#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "reward/service/service.h"

namespace cohort::reward {

struct ServerSettings {
  std::string listen = "127.0.0.1:0";  // HOST:PORT or unix:PATH; port 0 picks a free one
  int workers = 0;                     // graders at once; 0: one for each core
  bool insecure_listen = false;        // other machines may reach the address
  bool allow_plugins = false;          // beyond loopback too, and for callers without a token
  std::string token = {};              // that callers must show; "": none
  bool open_to_all_users = false;      // of this machine: a TCP port without a token
};

// A listening reward service. Not thread-safe.
class Server {
 public:
  // Errors: kUsage for an address beyond loopback without insecure_listen, kEnvironment for a port
  // or socket that is taken or cannot be bound.
  explicit Server(const ServerSettings& settings);
  ~Server();  // cancels what runs

  int workers() const { return workers_; }                 // graders at once
  const std::string& address() const { return address_; }  // as a client dials it
  // Refuses new calls, finishes running ones, cancels those that run past `limit`.
  void Drain(std::chrono::milliseconds limit);

 private:
  const int workers_;
  Scorer scorer_;
  RewardService service_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace cohort::reward
