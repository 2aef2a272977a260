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
constexpr milliseconds kUnheardOf{5'000};  // then a remote service is named
constexpr size_t kLogTailBytes = 2000;

}  // namespace

Supervisor::Supervisor(SupervisedService service, ServiceKind& kind, const SupervisorLimits& limits,
                       std::filesystem::path socket_folder, std::function<void()> on_change)
    : service_(std::move(service)),
      kind_(kind),
      limits_(limits),
      socket_folder_(std::move(socket_folder)),
      on_change_(std::move(on_change)) {
  thread_ = std::thread([this] { Run(); });
}

Supervisor::~Supervisor() {
  RequestStop();
  thread_.join();
}

void Supervisor::RequestStop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  calls_.CancelAll();
  wake_.notify_all();
}

Endpoint Supervisor::endpoint() const {
  const int64_t wanted = kind_.wanted_version();
  std::lock_guard lock(mutex_);
  Endpoint endpoint = endpoint_;
  endpoint.ready = answers_ && endpoint.channel != nullptr && version_ == wanted;
  return endpoint;
}

bool Supervisor::answers() const {
  std::lock_guard lock(mutex_);
  return answers_;
}

uint32_t Supervisor::restarts() const {
  std::lock_guard lock(mutex_);
  return restarts_;
}

void Supervisor::LookNow() {
  {
    std::lock_guard lock(mutex_);
    look_now_ = true;
  }
  wake_.notify_all();
}

void Supervisor::Run() {
  while (true) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_ || !endpoint_.failure.empty()) break;
    }
    try {
      if (EnsureStarted()) Look();
    } catch (const std::exception& error) {
      LeaveOut(error.what());
    }
    on_change_();
    Pause(endpoint().ready ? kLook : kRetry, true);
  }
  if (child_ != nullptr) child_->Stop(kStopGrace);
  child_.reset();
  Disconnect();
  on_change_();
}

void Supervisor::Pause(milliseconds limit, bool until_look) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, limit, [&] { return stopping_ || (until_look && look_now_); });
  if (std::exchange(look_now_, false)) next_heartbeat_ = Clock::now();
}

bool Supervisor::EnsureStarted() {
  if (service_.command.empty()) {
    if (address_.empty()) {
      address_ = service_.address;
      last_answer_ = silent_since_ = Clock::now();
      std::lock_guard lock(mutex_);
      endpoint_.channel = MakeChannel(address_, service_.token_file);
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
      GiveUp(service_.name + " ended with status " + std::to_string(status.value_or(0)) +
             " before it served");
      return false;
    }
    spdlog::warn(
        "{} ended ({}); starting it again", service_.name,
        *status < 0 ? "signal " + std::to_string(-*status) : "status " + std::to_string(*status));
    child_.reset();
  }
  const std::filesystem::path port_file = StartChild();
  return child_ != nullptr && AwaitAddress(port_file);
}

std::filesystem::path Supervisor::StartChild() {
  const auto now = Clock::now();
  while (!recent_starts_.empty() && now - recent_starts_.front() > std::chrono::minutes(1)) {
    recent_starts_.pop_front();
  }
  const int starts = static_cast<int>(recent_starts_.size());
  if (starts > limits_.max_restarts_per_minute) {
    GiveUp(service_.name + " died " + std::to_string(starts) + " times within a minute");
    return {};
  }
  // The first restart is immediate, later ones wait 0.1 s, 0.2 s, ...
  if (starts >= 2) {
    Pause(std::min(kFirstBackoff * (1 << std::min(starts - 2, 10)), kLongestBackoff), false);
  }
  recent_starts_.push_back(Clock::now());

  std::lock_guard lock(mutex_);
  if (stopping_) return {};
  const std::string stem =
      (socket_folder_ / service_.name).string() + "-" + std::to_string(++endpoint_.incarnation);
  std::vector<std::string> command = service_.command;
  for (const std::string& argument :
       {std::string("--listen"), "unix:" + stem, std::string("--port-file"), stem + ".at"}) {
    command.push_back(argument);
  }
  child_ = std::make_unique<base::ChildProcess>(command, service_.log);
  if (endpoint_.incarnation > 1) restarts_++;
  return stem + ".at";
}

bool Supervisor::AwaitAddress(const std::filesystem::path& port_file) {
  const auto deadline = Clock::now() + limits_.start_deadline;
  while (!std::filesystem::exists(port_file)) {
    if (!child_->Running()) return false;
    if (Clock::now() > deadline) {
      child_->Stop(kStopGrace);
      GiveUp(service_.name + " does not listen after " +
             std::to_string(limits_.start_deadline.count() / 1000) + " s");
      return false;
    }
    Pause(milliseconds(5), false);
    std::lock_guard lock(mutex_);
    if (stopping_) return false;
  }
  address_ = base::ReadFile(port_file);
  last_answer_ = last_progress_ = next_heartbeat_ = Clock::now();
  std::lock_guard lock(mutex_);
  endpoint_.channel = MakeChannel(address_, service_.token_file);
  return true;
}

void Supervisor::Look() {
  std::shared_ptr<grpc::Channel> channel;
  bool settled = false;
  {
    const int64_t wanted = kind_.wanted_version();
    std::lock_guard lock(mutex_);
    channel = endpoint_.channel;
    settled = answers_ && version_ == wanted;
  }
  const auto now = Clock::now();
  if (now >= next_heartbeat_ || !ever_answered_) {
    next_heartbeat_ = now + limits_.heartbeat;
    Heartbeat heartbeat;
    const grpc::Status status = kind_.AskHealth(channel, calls_, limits_.heartbeat, &heartbeat);
    if (!status.ok()) return OnSilence(status);
    if (std::exchange(named_, false)) spdlog::warn("{} answers", service_.name);
    ever_answered_ = true;
    last_answer_ = silent_since_ = Clock::now();
    if (Stuck(heartbeat)) return;
    std::lock_guard lock(mutex_);
    answers_ = true;
    // A process that others restarted, or gave other weights, behind the same address.
    if (version_ > 0 && heartbeat.version != version_) version_ = -1;
    settled = settled && version_ >= 0;
  }
  {
    std::lock_guard lock(mutex_);
    if (settled || !answers_) return;
  }
  const std::optional<int64_t> version = kind_.Update(service_.name, channel, address_, calls_);
  if (!version.has_value()) next_heartbeat_ = Clock::now();
  std::lock_guard lock(mutex_);
  version_ = version.value_or(-1);
}

void Supervisor::OnSilence(const grpc::Status& status) {
  next_heartbeat_ = Clock::now() + kLook;
  const bool hung = Clock::now() - last_answer_ > limits_.silence_limit;
  if (hung && child_ != nullptr) {
    spdlog::warn("{} has not answered for {} s; ending it", service_.name,
                 limits_.silence_limit.count() / 1000.0);
    child_->Signal(SIGKILL);
    return;
  }
  const auto silence =
      std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - silent_since_);
  if (child_ == nullptr && !named_ && silence > kUnheardOf) {
    named_ = true;
    spdlog::warn("{} has not answered for {} s: {}", service_.name, silence.count(),
                 status.error_message());
  }
  if (status.error_code() == grpc::StatusCode::UNAUTHENTICATED && silence > kUnheardOf) {
    return LeaveOut(status.error_message());
  }
  // A late answer may come from a busy machine; a broken connection is a fact.
  if (!hung && status.error_code() != grpc::StatusCode::UNAVAILABLE) return;
  std::lock_guard lock(mutex_);
  if (answers_ && !std::exchange(named_, true)) {
    spdlog::warn("{} does not answer: {}", service_.name, status.error_message());
  }
  answers_ = false;
  version_ = -1;
  if (hung) {
    last_answer_ = Clock::now();
    endpoint_.incarnation++;  // calls to it are given up
    endpoint_.channel = MakeChannel(address_, service_.token_file);
  }
}

bool Supervisor::Stuck(const Heartbeat& heartbeat) {
  const auto now = Clock::now();
  if (!heartbeat.busy || heartbeat.progress != progress_) last_progress_ = now;
  progress_ = heartbeat.progress;
  if (now - last_progress_ <= limits_.progress_limit) return false;
  last_progress_ = now;
  spdlog::warn("{} is busy but has made no progress for {} s", service_.name,
               limits_.progress_limit.count() / 1000.0);
  if (child_ != nullptr) {
    child_->Signal(SIGKILL);
    return true;
  }
  std::lock_guard lock(mutex_);
  endpoint_.incarnation++;
  return false;
}

void Supervisor::Disconnect() {
  std::lock_guard lock(mutex_);
  endpoint_.channel.reset();
  answers_ = false;
  version_ = -1;
}

void Supervisor::LeaveOut(const std::string& reason) {
  spdlog::error("{} is left out: {}", service_.name, reason);
  GiveUp(service_.name + ": " + reason);
  wake_.notify_all();
}

void Supervisor::GiveUp(const std::string& reason) {
  Disconnect();
  const std::string tail = LogTail();
  std::lock_guard lock(mutex_);
  endpoint_.failure = reason + (tail.empty() ? "" : "; the end of its log:\n" + tail);
}

std::string Supervisor::LogTail() const {
  std::ifstream log(service_.log, std::ios::binary | std::ios::ate);
  if (!log) return "";
  const auto size = static_cast<size_t>(log.tellg());
  std::string tail(std::min(size, kLogTailBytes), '\0');
  log.seekg(static_cast<std::streamoff>(size - tail.size()));
  log.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  return tail;
}

}  // namespace cohort::rl
