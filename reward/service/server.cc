#include "reward/service/server.h"

#include <algorithm>
#include <thread>

#include "base/listen.h"
#include "reward/service/request_check.h"

namespace cohort::reward {

Server::Server(const ServerSettings& settings)
    : workers_(settings.workers > 0
                   ? settings.workers
                   : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))),
      scorer_({.workers = workers_}),
      service_({.allow_plugins = settings.allow_plugins ||
                                 (base::IsLoopback(settings.listen) && !settings.open_to_all_users),
                .token = settings.token},
               &scorer_) {
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxRequestBytes));
  builder.RegisterService(&service_);
  base::ListeningServer listening =
      base::Listen(builder, settings.listen, settings.insecure_listen);
  server_ = std::move(listening.server);
  address_ = std::move(listening.address);
}

Server::~Server() {
  if (server_ != nullptr) Drain(std::chrono::milliseconds(0));
}

void Server::Drain(std::chrono::milliseconds limit) {
  service_.BeginDrain();
  server_->Shutdown(std::chrono::system_clock::now() + limit);
  server_->Wait();
}

}  // namespace cohort::reward
