// cohort-plugin-host MEMORY_MIB load PATH: loads a shared object and scores the samples that arrive
// on fd 3. cohort-plugin-host MEMORY_MIB run PROGRAM ARGUMENTS: runs a program that does. Started
// by child.cc. It ends when its parent does, even while the plug-in hangs.

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "reward/plugin.h"
#include "reward/plugins/protocol.h"
#include "reward/plugins/supervisor.h"

namespace {

using cohort::reward::kHostOutOfMemory;
using cohort::reward::kMaxPluginText;
using cohort::reward::kPluginChannelFd;
using cohort::reward::kPluginLifelineFd;
using cohort::reward::PluginOutcome;
using cohort::reward::PluginReply;
using cohort::reward::PluginRequest;

constexpr int kGoodbye = 0;  // the parent closed the socket: nothing is wrong

void ReadExactly(void* into, size_t size) {
  char* next = static_cast<char*>(into);
  while (size > 0) {
    const ssize_t got = read(kPluginChannelFd, next, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) _exit(kGoodbye);
    next += got;
    size -= static_cast<size_t>(got);
  }
}

void WriteReply(const PluginReply& reply) {
  // A plug-in may fork, and both processes come back here: only one of them answers.
  static const pid_t own_pid = getpid();  // first called for the hello
  if (getpid() != own_pid) _exit(kGoodbye);
  const char* next = reinterpret_cast<const char*>(&reply);
  for (size_t size = sizeof(reply); size > 0;) {
    const ssize_t sent = write(kPluginChannelFd, next, size);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) _exit(kGoodbye);
    next += sent;
    size -= static_cast<size_t>(sent);
  }
}

PluginReply Reply(uint64_t number, PluginOutcome outcome, const char* detail) {
  PluginReply reply = {};
  reply.number = number;
  reply.outcome = outcome;
  std::snprintf(reply.detail, sizeof(reply.detail), "%s", detail);
  return reply;
}

void LimitMemory(const char* mebibytes) {
#if !defined(__SANITIZE_ADDRESS__)  // its shadow memory alone is terabytes
  const rlim_t bytes = std::strtoull(mebibytes, nullptr, 10) << 20;
  const rlimit limit = {bytes, bytes};
  setrlimit(RLIMIT_AS, &limit);
#else
  (void)mebibytes;
#endif
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
}

using ScoreFunction = decltype(&cohort_reward_score);

ScoreFunction Load(const char* path, std::string* why) {
  void* plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) {
    *why = dlerror();
    return nullptr;
  }
  const auto version = reinterpret_cast<decltype(&cohort_reward_abi_version)>(
      dlsym(plugin, "cohort_reward_abi_version"));
  const auto score = reinterpret_cast<ScoreFunction>(dlsym(plugin, "cohort_reward_score"));
  if (version == nullptr || score == nullptr) {
    *why = std::string("it exports no function ") +
           (version == nullptr ? "cohort_reward_abi_version" : "cohort_reward_score") +
           "; see reward/plugin.h (C++ needs extern \"C\")";
    return nullptr;
  }
  const uint32_t found = version();
  if (found != COHORT_REWARD_ABI_VERSION) {
    *why = "it was compiled for interface version " + std::to_string(found) + ", this cohort has " +
           std::to_string(COHORT_REWARD_ABI_VERSION) + "; compile it again";
    return nullptr;
  }
  return score;
}

PluginReply Score(ScoreFunction score, uint64_t number, const cohort_reward_sample& sample) {
  PluginReply reply = Reply(number, PluginOutcome::kError, "");
  try {
    const int code = score(&sample, &reply.score, reply.detail, sizeof(reply.detail));
    if (code == COHORT_REWARD_OK) reply.outcome = PluginOutcome::kOk;
    if (code == COHORT_REWARD_UNPARSEABLE) reply.outcome = PluginOutcome::kUnparseable;
    reply.detail[sizeof(reply.detail) - 1] = '\0';
    return reply;
  } catch (const std::bad_alloc&) {
    return Reply(number, PluginOutcome::kOutOfMemory, "it ran out of memory");
  } catch (const std::exception& error) {
    return Reply(number, PluginOutcome::kError, (std::string("it threw: ") + error.what()).c_str());
  } catch (...) {
    return Reply(number, PluginOutcome::kError, "it threw something that is no std::exception");
  }
}

[[noreturn]] void Serve(ScoreFunction score) {
  std::string buffer;
  while (true) {
    PluginRequest request;
    ReadExactly(&request, sizeof(request));
    uint64_t total = 0;
    for (const uint64_t size : request.sizes) {
      if (size > kMaxPluginText) _exit(70);
      total += size + 1;
    }
    try {
      buffer.resize(total);
    } catch (const std::bad_alloc&) {
      _exit(kHostOutOfMemory);
    }
    ReadExactly(buffer.data(), total);
    cohort_reward_text texts[5];
    const char* next = buffer.data();
    for (int i = 0; i < 5; ++i) {
      texts[i] = {next, request.sizes[i]};
      next += request.sizes[i] + 1;
    }
    const cohort_reward_sample sample = {request.sample_id, texts[0], texts[1],
                                         texts[2],          texts[3], texts[4]};
    WriteReply(Score(score, request.number, sample));
  }
}

[[noreturn]] void LoadAndServe(const char* path) {
  std::string why;
  const ScoreFunction score = Load(path, &why);
  if (score == nullptr) {
    WriteReply(Reply(0, PluginOutcome::kError, why.c_str()));
    _exit(1);
  }
  WriteReply(Reply(0, PluginOutcome::kOk, ""));
  Serve(score);
}

bool IsOpen(int fd) {
  pollfd end = {fd, 0, 0};
  return poll(&end, 1, 0) >= 0 && (end.revents & POLLNVAL) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 3 ? argv[2] : "";
  if ((mode != "load" && mode != "run") || !IsOpen(kPluginChannelFd) ||
      !IsOpen(kPluginLifelineFd)) {
    std::fprintf(stderr, "cohort-plugin-host is started by cohort; see reward/plugin.h\n");
    return 2;
  }
  close_range(kPluginLifelineFd + 1, ~0u, 0);
  cohort::reward::ForkUnderSupervisor();
  LimitMemory(argv[1]);
  signal(SIGPIPE, SIG_IGN);
  if (mode == "load") LoadAndServe(argv[3]);
  execvp(argv[3], argv + 3);
  std::fprintf(stderr, "cannot start %s: %s\n", argv[3], std::strerror(errno));
  _exit(127);
}
