#pragma once

// One sandbox: bubblewrap's namespaces with cohort-box as the first process.

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "reward/code/box/limits.h"
#include "reward/code/box/protocol.h"
#include "reward/code/box/sandbox.h"

namespace cohort::reward::judge {

// Owned by one thread at a time. It sees /usr read-only, a /proc of its own processes, a few
// devices and a private work folder with a quota; no network, no other file. Everything in it is
// dead and reaped when Close() returns.
class Box {
 public:
  // Starts it and returns while it still boots. Errors: kEnvironment.
  Box(Sandbox* sandbox, const ProgramLimits& limits);
  ~Box();
  Box(const Box&) = delete;
  Box& operator=(const Box&) = delete;

  // ProgramLimits of the control group, where there is one: of the compiler or of a run. False
  // where the kernel refuses, since more is in use.
  bool LimitGroup(int64_t memory_mb, int64_t pids);
  bool has_group() const { return slot_.cgroup != nullptr; }
  uint64_t OutOfMemoryKills() const;

  int control() const { return control_; }  // non-blocking, SOCK_SEQPACKET
  int64_t file_mb() const { return file_mb_; }
  // False when the box is gone.
  bool Send(std::string_view packet, const std::vector<int>& fds = {}) const;
  bool PutFile(const std::string& name, std::string_view content) const;
  // Notes the files of the work folder, for RestoreFiles() of run.h. False when the box is gone.
  bool KeepFiles() const;
  void Stop() const;  // the running program; BoxReply follows
  void Mark() const;  // starts a new measure of its times
  // Asks for one; RunProgram, which reads the answer, notes it here.
  void Measure() const;
  void NoteWaited(uint64_t waited_us);
  uint64_t waited_us() const { return waited_us_; }  // since Mark, as last measured
  uint64_t measurements() const { return measurements_; }

  void Close();  // idempotent; at most ~5 s, of which a healthy kernel needs milliseconds
  std::string StartError() const;  // what bubblewrap said on stderr, after Close()

 private:
  void Start(const std::vector<std::string>& arguments, int control);

  Sandbox* const sandbox_;
  BoxSlot slot_;
  const int64_t file_mb_;
  pid_t pid_ = -1;  // bubblewrap: ends after the whole box
  int pidfd_ = -1;
  int control_ = -1;
  uint64_t waited_us_ = 0;
  uint64_t measurements_ = 0;
  int errors_ = -1;  // memory file that bubblewrap's stderr goes to
};

// One message with descriptors on a SOCK_SEQPACKET socket. False when it was not taken whole.
bool SendPacket(int socket, std::string_view packet, const std::vector<int>& fds);

// A sealed memory file that holds `content`, open for reading. Errors: kEnvironment.
int MemoryFile(std::string_view content);

}  // namespace cohort::reward::judge
