#include "rl/fleet/supervisor.h"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>

#include "base/durable_file.h"
#include "base/error.h"
#include "rl/fleet/channel.h"

namespace cohort::rl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{100};  // how soon the death of a child is seen
constexpr milliseconds kRetry{50};  // while it starts, or was not brought up to date
constexpr milliseconds kStopGrace{2'000};
constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kLongestBackoff{2'000};
constexpr milliseconds kUnheardOf{5'000};  // a remote service is then named
constexpr size_t kLogTailBytes = 2000;

}  // namespace

ServiceKeeper::ServiceKeeper(KeeperOptions options) : options_(std::move(options)) {
  thread_ = std::thread([this] { Run(); });
}

ServiceKeeper::~ServiceKeeper() {
  RequestStop();
  thread_.join();
}

void ServiceKeeper::RequestStop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  calls_.CancelAll();
  wake_.notify_all();
}

Endpoint ServiceKeeper::endpoint() const {
  const int64_t wanted = options_.wanted_version();
  std::lock_guard lock(mutex_);
  Endpoint endpoint = endpoint_;
  endpoint.ready = answers_ && endpoint.channel != nullptr && version_ == wanted;
  return endpoint;
}

bool ServiceKeeper::answers() const {
  std::lock_guard lock(mutex_);
  return answers_;
}

pid_t ServiceKeeper::pid() const {
  std::lock_guard lock(mutex_);
  return pid_;
}

uint32_t ServiceKeeper::restarts() const {
  std::lock_guard lock(mutex_);
  return restarts_;
}

void ServiceKeeper::LookNow() {
  {
    std::lock_guard lock(mutex_);
    look_now_ = true;
  }
  wake_.notify_all();
}

void ServiceKeeper::Run() {
  while (true) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_ || !endpoint_.failure.empty()) break;
    }
    try {
      if (EnsureStarted()) Look();
    } catch (const std::exception& error) {
      GiveUp(options_.name + ": " + error.what());
    }
    options_.on_change();
    Pause(endpoint().ready ? kLook : kRetry, true);
  }
  if (child_ != nullptr) child_->Stop(kStopGrace);
  child_.reset();
  Disconnect();
  options_.on_change();
}

void ServiceKeeper::Pause(milliseconds limit, bool until_look) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, limit, [&] { return stopping_ || (until_look && look_now_); });
  if (std::exchange(look_now_, false)) next_heartbeat_ = Clock::now();
}

bool ServiceKeeper::EnsureStarted() {
  if (options_.command.empty()) {
    if (address_.empty()) {
      address_ = options_.address;
      last_answer_ = first_look_ = Clock::now();
      std::lock_guard lock(mutex_);
      endpoint_.channel = MakeChannel(address_);
      endpoint_.incarnation++;
    }
    return true;
  }
  if (child_ != nullptr && child_->Running()) return true;
  if (child_ != nullptr) {
    const auto status = child_->Wait(milliseconds(0));
    Disconnect();
    // One that was killed may do better the next time; one that left has said why.
    if (!ever_answered_ && status.value_or(0) >= 0) {
      GiveUp(options_.name + " ended with status " + std::to_string(status.value_or(0)) +
             " before it served");
      return false;
    }
    spdlog::warn(
        "{} ended ({}); starting it again", options_.name,
        *status < 0 ? "signal " + std::to_string(-*status) : "status " + std::to_string(*status));
    child_.reset();
  }
  const std::filesystem::path port_file = StartChild();
  return child_ != nullptr && AwaitAddress(port_file);
}

std::filesystem::path ServiceKeeper::StartChild() {
  const auto now = Clock::now();
  while (!recent_starts_.empty() && now - recent_starts_.front() > std::chrono::minutes(1)) {
    recent_starts_.pop_front();
  }
  const int starts = static_cast<int>(recent_starts_.size());
  if (starts > options_.limits->max_restarts_per_minute) {
    GiveUp(options_.name + " died " + std::to_string(starts) + " times within a minute");
    return {};
  }
  // The first restart is immediate, later ones wait 0.1 s, 0.2 s, ...
  if (starts >= 2) {
    Pause(std::min(kFirstBackoff * (1 << std::min(starts - 2, 10)), kLongestBackoff), false);
  }
  recent_starts_.push_back(Clock::now());

  std::lock_guard lock(mutex_);
  if (stopping_) return {};
  const std::string stem = (options_.socket_folder / options_.name).string() + "-" +
                           std::to_string(++endpoint_.incarnation);
  std::vector<std::string> command = options_.command;
  for (const std::string& argument :
       {std::string("--listen"), "unix:" + stem, std::string("--port-file"), stem + ".at"}) {
    command.push_back(argument);
  }
  child_ = std::make_unique<base::ChildProcess>(command, options_.log);
  pid_ = child_->pid();
  if (endpoint_.incarnation > 1) restarts_++;
  return stem + ".at";
}

bool ServiceKeeper::AwaitAddress(const std::filesystem::path& port_file) {
  const auto deadline = Clock::now() + options_.limits->start_deadline;
  while (!std::filesystem::exists(port_file)) {
    if (!child_->Running()) return false;
    if (Clock::now() > deadline) {
      child_->Stop(kStopGrace);
      GiveUp(options_.name + " does not listen after " +
             std::to_string(options_.limits->start_deadline.count() / 1000) + " s");
      return false;
    }
    Pause(milliseconds(5), false);
    std::lock_guard lock(mutex_);
    if (stopping_) return false;
  }
  address_ = base::ReadFile(port_file);
  last_answer_ = last_progress_ = next_heartbeat_ = Clock::now();
  std::lock_guard lock(mutex_);
  endpoint_.channel = MakeChannel(address_);
  return true;
}

void ServiceKeeper::Look() {
  std::shared_ptr<grpc::Channel> channel;
  bool settled = false;
  {
    const int64_t wanted = options_.wanted_version();
    std::lock_guard lock(mutex_);
    channel = endpoint_.channel;
    settled = answers_ && version_ == wanted;
  }
  const auto now = Clock::now();
  if (now >= next_heartbeat_ || !ever_answered_) {
    next_heartbeat_ = now + options_.limits->heartbeat;
    Heartbeat heartbeat;
    const grpc::Status status = options_.ask(channel, calls_, &heartbeat);
    if (!status.ok()) return OnSilence(status);
    ever_answered_ = true;
    last_answer_ = Clock::now();
    if (Stuck(heartbeat)) return;
    std::lock_guard lock(mutex_);
    answers_ = true;
    // A process that others restarted, or gave other weights, behind the same address.
    if (version_ > 0 && heartbeat.policy_version != version_) version_ = -1;
    settled = settled && version_ >= 0;
  }
  {
    std::lock_guard lock(mutex_);
    if (settled || !answers_) return;
  }
  const std::optional<int64_t> version = options_.prepare(channel, address_, calls_);
  if (!version.has_value()) next_heartbeat_ = Clock::now();
  std::lock_guard lock(mutex_);
  version_ = version.value_or(-1);
}

void ServiceKeeper::OnSilence(const grpc::Status& status) {
  next_heartbeat_ = Clock::now() + kLook;
  const bool hung = Clock::now() - last_answer_ > options_.limits->silence_limit;
  if (hung && child_ != nullptr) {
    spdlog::warn("{} has not answered for {} s; ending it", options_.name,
                 options_.limits->silence_limit.count() / 1000.0);
    child_->Signal(SIGKILL);
    return;
  }
  // A late answer may come from a busy machine; a broken connection is a fact.
  if (!hung && status.error_code() != grpc::StatusCode::UNAVAILABLE) return;
  if (!ever_answered_ && child_ == nullptr && !named_ && Clock::now() - first_look_ > kUnheardOf) {
    named_ = true;
    spdlog::warn("{} has not answered yet: {}", options_.name, status.error_message());
  }
  std::lock_guard lock(mutex_);
  if (answers_) spdlog::warn("{} does not answer: {}", options_.name, status.error_message());
  answers_ = false;
  version_ = -1;
  if (hung) {
    last_answer_ = Clock::now();
    endpoint_.incarnation++;  // calls to it are given up
    endpoint_.channel = MakeChannel(address_);
  }
}

bool ServiceKeeper::Stuck(const Heartbeat& heartbeat) {
  const auto now = Clock::now();
  if (!heartbeat.busy || heartbeat.progress != progress_) last_progress_ = now;
  progress_ = heartbeat.progress;
  if (now - last_progress_ <= options_.limits->progress_limit) return false;
  last_progress_ = now;
  spdlog::warn("{} is busy but has made no progress for {} s", options_.name,
               options_.limits->progress_limit.count() / 1000.0);
  if (child_ != nullptr) {
    child_->Signal(SIGKILL);
    return true;
  }
  std::lock_guard lock(mutex_);
  endpoint_.incarnation++;
  return false;
}

void ServiceKeeper::Disconnect() {
  std::lock_guard lock(mutex_);
  endpoint_.channel.reset();
  answers_ = false;
  version_ = -1;
  pid_ = -1;
}

void ServiceKeeper::GiveUp(const std::string& reason) {
  Disconnect();
  const std::string tail = LogTail();
  std::lock_guard lock(mutex_);
  endpoint_.failure = reason + (tail.empty() ? "" : "; the end of its log:\n" + tail);
}

std::string ServiceKeeper::LogTail() const {
  std::ifstream log(options_.log, std::ios::binary | std::ios::ate);
  if (!log) return "";
  const auto size = static_cast<size_t>(log.tellg());
  std::string tail(std::min(size, kLogTailBytes), '\0');
  log.seekg(static_cast<std::streamoff>(size - tail.size()));
  log.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  return tail;
}

}  // namespace cohort::rl
