#include "reward/server.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"
#include "reward/request_check.h"

namespace cohort::reward {
namespace {

// gRPC would unlink a Unix socket that another service still listens on.
void RefuseLiveSocket(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    throw Error(ErrorCode::kUsage, "the socket path '" + path + "' has " +
                                       std::to_string(path.size()) + " bytes, expected 1 to " +
                                       std::to_string(sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool live =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(probe);
  if (live) {
    throw Error(ErrorCode::kEnvironment, "cannot listen on unix:" + path + ": it is taken",
                "stop the process that listens there, or choose another path");
  }
}

void SetKeepalive(grpc::ServerBuilder* builder) {
  // Both ends ping every 20 s and wait 10 s; a client may ping every 10 s, with or without calls.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Else a second service would silently share a taken port.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

std::string HostOf(const std::string& address) { return address.substr(0, address.rfind(':')); }

void CheckAddress(const ServerSettings& settings) {
  const std::string& address = settings.listen;
  if (address.starts_with("unix:")) return RefuseLiveSocket(address.substr(5));
  const std::string port = address.substr(std::min(address.rfind(':'), address.size() - 1) + 1);
  if (address.rfind(':') == std::string::npos || port.empty() || port.size() > 5 ||
      port.find_first_not_of("0123456789") != std::string::npos || std::stoi(port) > 65535) {
    throw Error(ErrorCode::kUsage, "cannot listen on '" + address + "'",
                "expected HOST:PORT, e.g. 127.0.0.1:0, or unix:PATH");
  }
  if (!IsLoopback(address) && !settings.insecure_listen) {
    throw Error(
        ErrorCode::kUsage,
        "refusing to listen on " + address + ": others could connect without a password",
        "listen on 127.0.0.1 or unix:PATH, or add --insecure-listen on a network of your own");
  }
}

}  // namespace

bool IsLoopback(const std::string& address) {
  if (address.starts_with("unix:")) return true;
  const std::string host = HostOf(address);
  if (host == "localhost" || host == "[::1]") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

Server::Server(const ServerSettings& settings)
    : scorer_({.workers = settings.workers}),
      service_({.allow_plugins = settings.allow_plugins || IsLoopback(settings.listen)}, &scorer_),
      address_(settings.listen) {
  CheckAddress(settings);
  grpc::ServerBuilder builder;
  SetKeepalive(&builder);
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxRequestBytes));
  builder.RegisterService(&service_);
  int port = 0;
  builder.AddListeningPort(settings.listen, grpc::InsecureServerCredentials(), &port);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    throw Error(ErrorCode::kEnvironment,
                "cannot listen on " + settings.listen + ": the port is taken or may not be used",
                "stop the process that listens there, or let port 0 pick a free one");
  }
  if (!address_.starts_with("unix:")) address_ = HostOf(address_) + ":" + std::to_string(port);
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
