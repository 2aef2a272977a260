#include "reward/code/box/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "reward/code/box/box.h"
#include "reward/code/box/seccomp_filter.h"

namespace cohort::reward::judge {
namespace {

std::atomic<bool> allow_weak = false;

// Above every range that systemd, containers and people use (systemd's UIDS-GIDS.md).
constexpr int64_t kFirstUid = 2'130'706'432;

constexpr char kNamespaceHint[] =
    "the kernel must allow user namespaces (sysctl user.max_user_namespaces, "
    "kernel.unprivileged_userns_clone) and a container must allow unshare and mount";

// A container's root may have no user ids to give away.
bool HasUsersOfItsOwn() {
  std::ifstream map("/proc/self/uid_map");
  for (int64_t inside, outside, count; map >> inside >> outside >> count;) {
    if (inside <= kFirstUid && kFirstUid + 1'000'000 <= inside + count) return true;
  }
  return false;
}

std::string FilterOrNothing(bool internet) {
  try {
    return SeccompFilter(internet);
  } catch (const Error&) {
    return "";
  }
}

std::string AnswerOf(Box* box) {
  pollfd ready = {box->control(), POLLIN, 0};
  BoxReply reply;
  const bool answered =
      poll(&ready, 1, 5000) == 1 && recv(box->control(), &reply, sizeof(reply), 0) == sizeof(reply);
  if (answered && reply.end == BoxEnd::kReady) return "";
  box->Close();
  if (answered) return std::string(reply.what) + ": " + strerror(reply.status);
  return box->StartError().empty() ? "it never answered" : box->StartError();
}

}  // namespace

Sandbox& Sandbox::OfThisProcess() {
  static Sandbox sandbox;
  return sandbox;
}

void Sandbox::AllowWeak(bool allow) { allow_weak = allow; }

Sandbox::Sandbox() { Look(); }

void Sandbox::Look() {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  program_path_ = (beside / "cohort-box").string();
  program_ = open(program_path_.c_str(), O_RDONLY | O_CLOEXEC);
  filter_ = FilterOrNothing(/*internet=*/true);
  cgroups_ = FindCgroupTree();
  drops_user_ = geteuid() == 0 && HasUsersOfItsOwn();

  const std::string why = WhyNoBox();
  has_namespaces_ = why.empty();
  if (!has_namespaces_) filter_ = FilterOrNothing(/*internet=*/false);
  Describe(why);
}

// Starts a box to see.
std::string Sandbox::WhyNoBox() {
  if (program_ < 0) return program_path_ + " is missing; build the target cohort-box";
  if (access("/usr/bin/bwrap", X_OK) != 0) return "/usr/bin/bwrap is missing; install bubblewrap";
  std::string why;
  try {
    Box probe(this, ProgramLimits());
    why = AnswerOf(&probe);
  } catch (const Error& error) {
    why = error.what();
  }
  return why.empty() ? "" : why + "; " + kNamespaceHint;
}

void Sandbox::Describe(const std::string& why_no_box) {
  protections_ = {
      {"namespaces", has_namespaces_, true,
       has_namespaces_ ? "user, mount, process, network, IPC and host name namespaces by bubblewrap"
                       : why_no_box},
      {"system call filter", !filter_.empty(), true,
       filter_.empty() ? "this kernel has no seccomp filters" : "seccomp"},
      {"control groups", cgroups_.version != 0, false,
       cgroups_.version != 0
           ? "version " + std::to_string(cgroups_.version) + " under " + cgroups_.memory.string()
           : cgroups_.missing + "; memory and CPU time are measured every 10 ms instead"},
      {"user of its own", drops_user_, false,
       drops_user_ ? "each box runs as a user that owns nothing"
                   : "boxes run as this user, in a user namespace of their own"}};
}

void Sandbox::RequireProtections() const {
  std::string missing;
  for (const Protection& protection : protections_) {
    if (protection.works || !protection.needed) continue;
    missing += (missing.empty() ? "" : "; ") + protection.name + " (" + protection.detail + ")";
  }
  if (missing.empty() || allow_weak) return;
  throw Error(ErrorCode::kEnvironment, "untrusted code cannot be confined here: " + missing,
              "see cohort doctor; rollout.allow_weak_sandbox=true runs it all the same");
}

BoxSlot Sandbox::TakeSlot() {
  const std::lock_guard lock(mutex_);
  if (!idle_.empty()) {
    BoxSlot slot = std::move(idle_.back());
    idle_.pop_back();
    return slot;
  }
  BoxSlot slot;
  slot.index = slots_made_++;
  if (drops_user_) slot.uid = std::to_string(kFirstUid + slot.index);
  if (cgroups_.version != 0) {
    slot.cgroup = std::make_unique<Cgroup>(cgroups_, std::to_string(slot.index));
  }
  return slot;
}

void Sandbox::GiveBack(BoxSlot slot) {
  if (slot.spoiled) return;
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(slot));
}

void Sandbox::DropIdleSlots() {
  std::vector<BoxSlot> idle;  // removed after the lock is gone
  const std::lock_guard lock(mutex_);
  idle.swap(idle_);
}

}  // namespace cohort::reward::judge
