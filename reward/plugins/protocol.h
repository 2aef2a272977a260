#pragma once

// The messages between the service and a shared object's process (cohort-plugin-host) over a socket
// pair. Both come from one build, so plain structs will do. After its start the host sends
// one PluginReply (number 0: loaded, or why not); then each request is a PluginRequest and its five
// texts, each followed by a NUL.

#include <cstdint>

namespace cohort::reward {

inline constexpr int kPluginChannelFd = 3;  // the child's end of the socket pair
// The supervisor's end of a pipe that the service holds open.
inline constexpr int kPluginLifelineFd = 4;
inline constexpr int kHostOutOfMemory = 71;  // exit status: a sample's texts did not fit
inline constexpr uint64_t kMaxPluginText = uint64_t{256} << 20;

struct PluginRequest {
  uint64_t number;  // counts from 1; the reply repeats it
  uint64_t sample_id;
  uint64_t sizes[5];  // prompt, completion, answer, columns_json, config; without the NULs
};

enum class PluginOutcome : uint32_t { kOk, kUnparseable, kError, kOutOfMemory };

struct PluginReply {
  uint64_t number;
  PluginOutcome outcome;
  uint32_t reserved;
  double score;
  char detail[1024];  // NUL-terminated
};

}  // namespace cohort::reward
