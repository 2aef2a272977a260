#pragma once

// A secret that callers show with every call. A TCP port on loopback is open to every user of the
// machine, and some calls run code as the service's owner; the secret lies in a file that only the
// owner can read. Unix sockets need none: their mode guards them.

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace cohort::base {

// Where a service on this machine leaves the token of its TCP port, unless it is told another
// place: tokens/PORT in the cache (COHORT_CACHE, else XDG_CACHE_HOME/cohort, else ~/.cache/cohort).
// "" without a home folder.
std::filesystem::path DefaultTokenFile(const std::string& address);

// The token in a file. Errors: kUsage where it is missing, holds none, or others can read it.
std::string ReadToken(const std::filesystem::path& path);

// The server's side: made before it listens, written when its port is known, removed with this
// object where it lies at the default place. Not thread-safe.
class ServiceToken {
 public:
  struct Settings {
    std::filesystem::path file;  // "": the default place; one that is there gives its token
    bool none = false;           // whoever can connect may call
  };

  // `listen`: HOST:PORT, or unix:PATH, which needs none. Errors: as ReadToken's.
  ServiceToken(const std::string& listen, Settings settings);
  ~ServiceToken();
  ServiceToken(const ServiceToken&) = delete;
  ServiceToken& operator=(const ServiceToken&) = delete;

  const std::string& secret() const { return secret_; }  // "": callers need none
  // Leaves the token where callers find it; `address`: as they dial it. Errors: kEnvironment.
  void Write(const std::string& address);
  const std::filesystem::path& file() const { return file_; }

 private:
  std::filesystem::path file_;
  std::string secret_;
  bool remove_ = false;
};

// Asked by every call of a server. Thread-safe.
class TokenGate {
 public:
  explicit TokenGate(std::string secret) : secret_(std::move(secret)) {}

  // UNAUTHENTICATED unless the caller shows the secret; refusals are counted and logged.
  grpc::Status Check(const grpc::ServerContextBase& context);

 private:
  const std::string secret_;
  std::atomic<uint64_t> refused_{0};
};

// A streaming call that ends at once.
template <class Reactor>
class RefusedCall final : public Reactor {
 public:
  explicit RefusedCall(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

using ClientInterceptors =
    std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>>;

// The client's side, for grpc::experimental::CreateCustomChannelWithInterceptors: calls to
// `address` show the token of `file`, or of the default place where `file` is empty and the address
// is one of this machine. It is read again for every call, since a service that was restarted has
// another.
ClientInterceptors ShowingToken(const std::string& address, const std::filesystem::path& file);

}  // namespace cohort::base
