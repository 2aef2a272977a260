#pragma once

// The messages between the judge (box.cc) and the first process of a box (init.cc): one message a
// packet on a SOCK_SEQPACKET socket that no other process of the box holds. Both ends are
// the same build on the same machine, so that structs travel as they are.

#include <cstdint>

namespace cohort::reward::judge {

inline constexpr int kControlFd = 3;  // the init's end of the socket
inline constexpr int kProgramFd = 9;  // cohort-box, which bubblewrap starts by /proc/self/fd
inline constexpr uint32_t kMaxPacket = 96 * 1024;
inline constexpr int kMaxPassedFds = 4;
inline constexpr char kWorkFolder[] = "/tmp";  // in the box: writable, with a quota

enum class BoxMessage : uint32_t {
  kSetUp,
  kPutFile,
  kRun,
  kMark,
  kMeasure,
  kStop,
  kKeepFiles,
  kRestoreFiles
};

// First message. Followed by the seccomp program (struct sock_filter[]), which may be empty where
// the kernel has no seccomp. Answered by BoxReply with number 0.
struct BoxSetUp {
  BoxMessage message = BoxMessage::kSetUp;
  uint32_t filter_bytes = 0;
  uint64_t folder_bytes = 0;   // quota of the work folder and /dev/shm together
  uint64_t folder_inodes = 0;  // files and folders in them
};

// Followed by the file's name; its content is the passed descriptor's. No answer.
struct BoxPutFile {
  BoxMessage message = BoxMessage::kPutFile;
  uint32_t mode = 0644;
};

// ProgramLimits of one run. 0 = none.
struct RunLimits {
  uint64_t cpu_us = 0;        // of all processes together
  uint64_t memory_bytes = 0;  // resident, of all processes together
  uint64_t data_bytes = 0;    // private data of each process
  uint64_t file_bytes = 0;    // of one file
  uint64_t open_files = 0;    // of each process
  uint64_t processes = 0;     // and threads, of all together
};

// Followed by argc and envc texts, each with its terminating NUL. The passed descriptors become
// 0, 1, 2 and 3. Answered by BoxReply when the program and everything it started is gone.
struct BoxRun {
  BoxMessage message = BoxMessage::kRun;
  uint32_t number = 0;
  RunLimits limits;
  uint32_t argc = 0;
  uint32_t envc = 0;
};

// Starts a new measure of the running program's times, under the same limits. No answer.
struct BoxMark {
  BoxMessage message = BoxMessage::kMark;
};

// Asks how the running program does: a BoxReply kMeasured of its number. Without one: no answer.
struct BoxMeasure {
  BoxMessage message = BoxMessage::kMeasure;
};

// Kills the running program; its BoxReply follows. Without one running: no answer.
struct BoxStop {
  BoxMessage message = BoxMessage::kStop;
};

// Notes what is in the work folder. No answer.
struct BoxKeepFiles {
  BoxMessage message = BoxMessage::kKeepFiles;
};

// Makes the work folder what it was when it was noted, whatever programs did to it. Answered by
// BoxReply with number 0: kReady or kFailed.
struct BoxRestoreFiles {
  BoxMessage message = BoxMessage::kRestoreFiles;
};

enum class BoxEnd : uint32_t {
  kReady,     // answer to kSetUp and kRestoreFiles
  kFailed,    // answer to these or kRun: `what` says which step, `status` its errno
  kExited,    // status: exit status
  kSignal,    // status: signal
  kCpu,       // over cpu_us: killed
  kMemory,    // over memory_bytes: killed
  kStopped,   // by kStop
  kMeasured,  // it still runs
};

struct BoxReply {
  uint32_t number = 0;  // of the run
  BoxEnd end = BoxEnd::kReady;
  int32_t status = 0;
  uint64_t cpu_us = 0;
  uint64_t waited_us = 0;   // that others kept the cores from it
  uint64_t peak_bytes = 0;  // resident, as last seen
  char what[32] = {};
};

}  // namespace cohort::reward::judge
