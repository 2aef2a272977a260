#include "reward/code/box/cgroup.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "reward/code/box/sandbox.h"

namespace cohort::reward::judge {
namespace {

namespace fs = std::filesystem;

// A machine's /proc/self and cgroup folders as files. Real groups get their files from the kernel;
// these have them made.
class FakeMachine {
 public:
  FakeMachine() {
    fs::remove_all(root_);
    fs::create_directories(proc());
  }
  ~FakeMachine() { fs::remove_all(root_); }

  fs::path proc() const { return root_ / "proc"; }
  const fs::path& root() const { return root_; }
  void Write(const fs::path& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::string Read(const fs::path& file) const {
    std::ifstream in(root_ / file);
    return std::string((std::istreambuf_iterator<char>(in)), {});
  }

 private:
  const fs::path root_ = testing::TempDir() + "cohort_cgroup_" + std::to_string(getpid());
};

constexpr char kV2Mount[] = "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

TEST(Cgroup, FindsADelegatedSubtreeOfVersion2) {
  const FakeMachine machine;
  machine.Write("proc/mountinfo", kV2Mount);
  machine.Write("proc/cgroup", "0::/user.slice/app.scope\n");
  const fs::path own = "sys/fs/cgroup/user.slice/app.scope";
  machine.Write(own / "cgroup.controllers", "cpu memory pids\n");
  machine.Write(own / "cgroup.subtree_control", "");
  const CgroupTree tree = FindCgroupTree(machine.proc(), machine.root());
  EXPECT_EQ(tree.version, 2) << tree.missing;
  EXPECT_EQ(tree.memory, machine.root() / own);
  EXPECT_EQ(machine.Read(own / "cgroup.subtree_control"), "+memory +pids");
}

TEST(Cgroup, SaysWhyVersion2CannotBeUsed) {
  const FakeMachine machine;
  machine.Write("proc/mountinfo", kV2Mount);
  machine.Write("proc/cgroup", "0::/app\n");
  machine.Write("sys/fs/cgroup/app/cgroup.controllers", "cpu\n");
  const CgroupTree tree = FindCgroupTree(machine.proc(), machine.root());
  EXPECT_EQ(tree.version, 0);
  EXPECT_THAT(tree.missing, testing::HasSubstr("not delegated"));
  machine.Write("proc/mountinfo", "");
  EXPECT_THAT(FindCgroupTree(machine.proc(), machine.root()).missing,
              testing::HasSubstr("mounted"));
}

TEST(Cgroup, UsesVersion1WhereMemoryAndPidsAreThere) {
  const FakeMachine machine;
  machine.Write("proc/mountinfo",
                "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                "32 25 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
                "33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  machine.Write("proc/cgroup", "4:memory:/a/b\n3:pids:/\n0::/\n");
  machine.Write("sys/fs/cgroup/memory/a/b/x", "");
  machine.Write("sys/fs/cgroup/pids/x", "");
  const CgroupTree tree = FindCgroupTree(machine.proc(), machine.root());
  EXPECT_EQ(tree.version, 1) << tree.missing;
  EXPECT_EQ(tree.memory, machine.root() / "sys/fs/cgroup/memory/a/b");
  EXPECT_EQ(tree.pids, machine.root() / "sys/fs/cgroup/pids");
}

TEST(Cgroup, WritesTheLimitsOfItsVersion) {
  const FakeMachine machine;
  machine.Write("own/x", "");
  const CgroupTree tree = {2, machine.root() / "own", machine.root() / "own", ""};
  Cgroup group(tree, "7");
  const fs::path folder = "own/cohort-judge-" + std::to_string(getpid()) + "-7";
  for (const char* const file : {"memory.max", "memory.swap.max", "pids.max"})
    machine.Write(folder / file, "");
  machine.Write(folder / "memory.events", "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\n");
  EXPECT_TRUE(group.SetMemory(1 << 20));
  EXPECT_TRUE(group.SetProcesses(12));
  EXPECT_EQ(machine.Read(folder / "memory.max"), "1048576");
  EXPECT_EQ(machine.Read(folder / "memory.swap.max"), "0");
  EXPECT_EQ(machine.Read(folder / "pids.max"), "12");
  EXPECT_EQ(group.OutOfMemoryKills(), 3u);
  EXPECT_EQ(group.procs().size(), 1u);
  fs::remove_all(machine.root() / folder);
}

TEST(Cgroup, RealGroupsAreRemovedWithTheirObject) {
  const CgroupTree tree = FindCgroupTree();
  if (tree.version == 0) GTEST_SKIP() << tree.missing;
  const fs::path folder = tree.memory / ("cohort-judge-" + std::to_string(getpid()) + "-test");
  {
    Cgroup group(tree, "test");
    EXPECT_TRUE(fs::exists(folder));
    EXPECT_TRUE(group.SetMemory(64 << 20));
    EXPECT_TRUE(group.SetMemory(32 << 20));
    EXPECT_TRUE(group.SetMemory(128 << 20));
    EXPECT_TRUE(group.SetProcesses(8));
    EXPECT_EQ(group.OutOfMemoryKills(), 0u);
  }
  EXPECT_FALSE(fs::exists(folder));
}

TEST(Cgroup, GroupsOfAKilledJudgeAreRemovedByTheNext) {
  const CgroupTree tree = FindCgroupTree();
  if (tree.version == 0) GTEST_SKIP() << tree.missing;
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  while (waitpid(gone, nullptr, 0) < 0 && errno == EINTR) {
  }
  const fs::path left = tree.memory / ("cohort-judge-" + std::to_string(gone) + "-0");
  fs::create_directory(left);
  FindCgroupTree();
  EXPECT_FALSE(fs::exists(left));
}

}  // namespace
}  // namespace cohort::reward::judge
