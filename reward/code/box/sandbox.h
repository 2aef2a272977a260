#pragma once

// The protections that this machine offers to confine programs, looked at once per process.

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "reward/code/box/cgroup.h"

namespace cohort::reward::judge {

struct Protection {
  std::string name;  // e.g. "namespaces"
  bool works = false;
  bool needed = true;  // without it no untrusted program runs, unless allowed
  std::string detail;  // how it works here, or why not and what to do
};

// The machine's part of a living box: its user and its control group; given back by GiveBack().
struct BoxSlot {
  int index = -1;
  std::string uid = "-";           // the box's user on the host; "-": this process's own
  std::unique_ptr<Cgroup> cgroup;  // null: the machine offers none
  bool spoiled = false;            // not to be used again
};

// Thread-safe. One for the process, so that two judges never share a user id.
class Sandbox {
 public:
  // Never throws for something that is missing: `protections` says so.
  static Sandbox& OfThisProcess();
  Sandbox(const Sandbox&) = delete;

  const std::vector<Protection>& protections() const { return protections_; }
  // Errors: kEnvironment, naming every needed protection that is missing, unless AllowWeak.
  void RequireProtections() const;
  static void AllowWeak(bool allow);

  BoxSlot TakeSlot();
  void GiveBack(BoxSlot slot);
  // Removes the control groups of idle slots.
  void DropIdleSlots();

  bool has_namespaces() const { return has_namespaces_; }
  const std::string& filter() const { return filter_; }  // seccomp program, may be empty
  int program() const { return program_; }               // open cohort-box
  const std::string& program_path() const { return program_path_; }

 private:
  Sandbox();
  void Look();
  std::string WhyNoBox();
  void Describe(const std::string& why_no_box);

  std::vector<Protection> protections_;
  bool has_namespaces_ = true;  // until a first box showed that there are none
  std::string filter_;
  std::string program_path_;
  int program_ = -1;
  CgroupTree cgroups_;
  bool drops_user_ = false;
  std::mutex mutex_;
  std::vector<BoxSlot> idle_;  // guarded by mutex_
  int slots_made_ = 0;         // guarded by mutex_
};

}  // namespace cohort::reward::judge
