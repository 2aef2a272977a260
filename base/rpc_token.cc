#include "base/rpc_token.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/listen.h"
#include "base/random_hex.h"

namespace cohort::base {
namespace {

namespace fs = std::filesystem;

constexpr char kHeader[] = "authorization";
constexpr char kScheme[] = "Bearer ";
constexpr size_t kSecretBytes = 32;
constexpr size_t kLeastDigits = 32;  // of a token that somebody else made

bool IsUnix(const std::string& address) { return address.starts_with("unix:"); }

// "" and a reason where the file gives no token.
std::string TokenOf(const fs::path& path, std::string* reason) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) {
    *reason = std::strerror(errno);
    return "";
  }
  struct stat status {};
  char text[1024];
  ssize_t size = -1;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    *reason = "not a regular file";
  } else if ((status.st_mode & 077) != 0) {
    *reason = "other users can read it; chmod 600 it, or have a service make a new one";
  } else {
    size = read(fd, text, sizeof(text));
  }
  close(fd);
  if (!reason->empty()) return "";
  std::string token(text, static_cast<size_t>(std::max<ssize_t>(size, 0)));
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back()))) token.pop_back();
  if (token.size() < kLeastDigits ||
      token.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
    *reason = "it holds no token (32 hex digits or more)";
    return "";
  }
  return token;
}

// A file of mode 0600 that nobody else can have put there or can read while it is written.
void WriteSecretFile(const fs::path& path, const std::string& text) {
  const std::string temporary = path.string() + "." + RandomHex(6) + ".tmp";
  const int fd =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  const bool written =
      fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!written) {
    unlink(temporary.c_str());
    throw Error(ErrorCode::kEnvironment,
                "cannot write the token file " + path.string() + ": " + std::strerror(error),
                "--token-file FILE names another place, unix:PATH needs no token");
  }
  RenameDurably(temporary, path);
}

class ShowToken final : public grpc::experimental::Interceptor {
 public:
  ShowToken(const fs::path& file) : file_(file) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      std::string ignored;  // the service says that the token is missing
      const std::string token = TokenOf(file_, &ignored);
      if (!token.empty()) {
        methods->GetSendInitialMetadata()->insert({kHeader, kScheme + token});
      }
    }
    methods->Proceed();
  }

 private:
  const fs::path& file_;
};

class ShowTokenFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit ShowTokenFactory(fs::path file) : file_(std::move(file)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo*) override {
    return new ShowToken(file_);
  }

 private:
  const fs::path file_;
};

}  // namespace

fs::path DefaultTokenFile(const std::string& address) {
  const auto set = [](const char* name) -> fs::path {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  fs::path cache = set("COHORT_CACHE");
  if (cache.empty() && !set("XDG_CACHE_HOME").empty()) cache = set("XDG_CACHE_HOME") / "cohort";
  if (cache.empty() && !set("HOME").empty()) cache = set("HOME") / ".cache" / "cohort";
  if (cache.empty()) return "";
  return cache / "tokens" / address.substr(address.rfind(':') + 1);
}

std::string ReadToken(const fs::path& path) {
  std::string reason;
  std::string token = TokenOf(path, &reason);
  if (!token.empty()) return token;
  throw Error(ErrorCode::kUsage, "the token file " + path.string() + " cannot be used: " + reason,
              "it is the file that the service's --token-file names or that its first line tells");
}

ServiceToken::ServiceToken(const std::string& listen, Settings settings) {
  if (settings.none || IsUnix(listen)) return;
  file_ = std::move(settings.file);
  std::error_code none;
  const bool there = !file_.empty() && fs::exists(fs::symlink_status(file_, none));
  secret_ = there ? ReadToken(file_) : RandomHex(kSecretBytes);
}

ServiceToken::~ServiceToken() {
  std::string ignored;
  // Another service may have taken the port, and the file, since.
  if (remove_ && TokenOf(file_, &ignored) == secret_) unlink(file_.c_str());
}

void ServiceToken::Write(const std::string& address) {
  if (secret_.empty()) return;
  std::error_code none;
  if (!file_.empty()) {
    if (!fs::exists(fs::symlink_status(file_, none))) WriteSecretFile(file_, secret_ + "\n");
    return;
  }
  const fs::path file = DefaultTokenFile(address);
  if (file.empty()) {
    throw Error(ErrorCode::kEnvironment, "there is no home folder for the token of " + address,
                "--token-file FILE names a place");
  }
  fs::create_directories(file.parent_path(), none);
  fs::permissions(file.parent_path(), fs::perms::owner_all, none);
  WriteSecretFile(file, secret_ + "\n");
  file_ = file;
  remove_ = true;
}

grpc::Status TokenGate::Check(const grpc::ServerContextBase& context) {
  if (secret_.empty()) return grpc::Status::OK;
  const std::string wanted = kScheme + secret_;
  const auto& metadata = context.client_metadata();
  const auto shown = metadata.find(kHeader);
  if (shown != metadata.end() && shown->second.size() == wanted.size() &&
      CRYPTO_memcmp(shown->second.data(), wanted.data(), wanted.size()) == 0) {
    return grpc::Status::OK;
  }
  const uint64_t refused = ++refused_;
  const char* why = shown == metadata.end() ? "without this service's token" : "with another token";
  // The first, the second, the fourth, ...: a caller that tries for ever fills no disk.
  if ((refused & (refused - 1)) == 0) {
    spdlog::warn("refused a call {} from {}; {} so far", why, context.peer(), refused);
  }
  return {grpc::StatusCode::UNAUTHENTICATED,
          std::string("the call came ") + why +
              ": name the file that the service's --token-file names or that its first line tells "
              "(rollout.token_file in a recipe, the option token_file of the reward remote)"};
}

ClientInterceptors ShowingToken(const std::string& address, const fs::path& file) {
  ClientInterceptors interceptors;
  if (IsUnix(address) || (file.empty() && !IsLoopback(address))) return interceptors;
  const fs::path place = file.empty() ? DefaultTokenFile(address) : file;
  if (!place.empty()) interceptors.push_back(std::make_unique<ShowTokenFactory>(place));
  return interceptors;
}

}  // namespace cohort::base
