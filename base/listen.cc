#include "base/listen.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "base/error.h"

namespace cohort::base {
namespace {

constexpr char kUnix[] = "unix:";

struct HostPort {
  std::string host;
  std::string port;
};

std::optional<HostPort> SplitAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  const bool digits = colon != std::string::npos && colon + 1 < address.size() &&
                      address.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  if (!digits || colon == 0 || address.size() - colon > 6 ||
      std::stoi(address.substr(colon + 1)) > 65535) {
    return std::nullopt;
  }
  return HostPort{address.substr(0, colon), address.substr(colon + 1)};
}

// gRPC prints why it cannot listen; our error says it once.
void DropLogLine(gpr_log_func_args*) {}

// gRPC removes whatever lies at the path, a living server's socket too: ask first.
bool SomeoneListensAt(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const bool answered =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return answered;
}

void CheckUnixPath(const std::string& path) {
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
    throw Error(ErrorCode::kUsage, "cannot listen on '" + std::string(kUnix) + path + "'",
                "a socket's path has 1 to 107 bytes");
  }
  if (SomeoneListensAt(path)) {
    throw Error(ErrorCode::kEnvironment, "another program listens on " + std::string(kUnix) + path,
                "end it, or give another --listen");
  }
}

// Both ends ping every 20 s and wait 10 s; a client may ping every 10 s, with or without calls.
void SetKeepalive(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Two servers on one port would share its connections; the second must fail instead.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

bool IsAddress(const std::string& address) {
  if (address.starts_with(kUnix)) return address.size() > std::strlen(kUnix);
  return SplitAddress(address).has_value();
}

bool IsLoopback(const std::string& address) {
  if (address.starts_with(kUnix)) return true;
  const std::string host = address.substr(0, address.rfind(':'));
  if (host == "localhost" || host == "[::1]") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

ListeningServer Listen(grpc::ServerBuilder& builder, const std::string& address,
                       bool allow_remote) {
  const bool local_socket = address.starts_with(kUnix);
  HostPort host_port;
  if (local_socket) {
    CheckUnixPath(address.substr(std::strlen(kUnix)));
  } else {
    const std::optional<HostPort> split = SplitAddress(address);
    if (!split.has_value()) {
      throw Error(ErrorCode::kUsage, "cannot listen on '" + address + "'",
                  "give HOST:PORT, such as 127.0.0.1:0 (any free port), or unix:PATH");
    }
    host_port = *split;
    if (!IsLoopback(address) && !allow_remote) {
      throw Error(ErrorCode::kUsage,
                  "refusing to listen on " + address +
                      ": other machines would reach it, and calls are not encrypted",
                  "listen on 127.0.0.1 or a unix socket; on a network you trust, add "
                  "--insecure-listen");
    }
  }
  SetKeepalive(builder);
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  gpr_set_log_function(DropLogLine);
  // A socket is its owner's alone; it has no other guard.
  mode_t mask = 0;
  if (local_socket) mask = umask(0177);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (local_socket) umask(mask);
  gpr_set_log_function(nullptr);
  if (server == nullptr || port == 0) {
    throw Error(ErrorCode::kEnvironment,
                "cannot listen on " + address + ": taken by another program, or not allowed",
                "give another --listen; port 0 picks a free one");
  }
  return {std::move(server), local_socket ? address : host_port.host + ":" + std::to_string(port)};
}

}  // namespace cohort::base
