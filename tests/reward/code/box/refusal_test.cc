// Where the kernel forbids a protection, no untrusted code runs unless that was asked for.

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "tests/reward/code/judge_case.h"

namespace cohort::reward::judge {
namespace {

using testing::HasSubstr;

std::string OutputOf(const std::string& command) {
  FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
  std::string output;
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) output.append(buffer, got);
  pclose(pipe);
  return output;
}

// This program again, where no user namespace may be made.
std::string InsideForbidden(const std::string& test) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  return OutputOf(
      "unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && exec " +
      self + " --gtest_also_run_disabled_tests --gtest_filter=*DISABLED_" + test + "'");
}

class SandboxRefusal : public SandboxTest {};

TEST(SandboxInside, DISABLED_Refuses) {
  try {
    MakeGrader("code", {});
    printf("it accepts\n");
  } catch (const Error& error) {
    printf("refused: %s\nhint: %s\n", error.what(), error.hint().c_str());
  }
}

TEST(SandboxInside, DISABLED_RunsAllTheSame) {
  Sandbox::AllowWeak(true);
  const Json sum =
      WithLimits(StdinTests({{"1 2\n", "3\n"}}), {{"wall_ms", 700}, {"memory_mb", 64}});
  printf("right: %s\n", VerdictOf("print(sum(map(int, input().split())))", sum).c_str());
  printf("wrong: %s\n", VerdictOf("print(4)", sum).c_str());
  printf("called: %s\n",
         VerdictOf("def f(x): return x", AssertTests({"assert f(1) == 1"})).c_str());
  printf("network: %s\n",
         VerdictOf("import socket\ntry: socket.socket()\nexcept OSError: print(3)", sum).c_str());
  printf("orphans: %s\n", VerdictOf("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if "
                                    "os.fork() == 0: time.sleep(6543)\n"
                                    "time.sleep(6543)",
                                    sum)
                              .c_str());
  printf("left: %s\n", OutputOf("ls -d /tmp/cohort-judge-* 2>/dev/null | wc -l").c_str());
}

TEST(SandboxInside, DISABLED_Describes) {
  for (const Protection& p : Sandbox::OfThisProcess().protections()) {
    printf("%s works=%d needed=%d: %s\n", p.name.c_str(), p.works, p.needed, p.detail.c_str());
  }
}

TEST_F(SandboxRefusal, ItNamesWhatIsMissingAndHowToGoOn) {
  const std::string output = InsideForbidden("Refuses");
  EXPECT_THAT(output, HasSubstr("refused: untrusted code cannot be confined here: namespaces ("));
  EXPECT_THAT(output, HasSubstr("cohort doctor"));
  EXPECT_THAT(output, HasSubstr("rollout.allow_weak_sandbox=true"));
}

TEST_F(SandboxRefusal, ToldToItRunsWithWhatIsLeft) {
  const std::string output = InsideForbidden("RunsAllTheSame");
  EXPECT_THAT(output, HasSubstr("right: accepted"));
  EXPECT_THAT(output, HasSubstr("wrong: wrong_answer"));
  EXPECT_THAT(output, HasSubstr("called: accepted"));
  EXPECT_THAT(output, HasSubstr("network: accepted")) << "the filter stands in for the namespace";
  EXPECT_THAT(output, HasSubstr("orphans: time_limit"));
}

TEST_F(SandboxRefusal, TheProtectionsThatAreLeftAreListed) {
  const std::string output = InsideForbidden("Describes");
  EXPECT_THAT(output, HasSubstr("namespaces works=0 needed=1"));
  EXPECT_THAT(output, HasSubstr("system call filter works=1 needed=1"));
  EXPECT_THAT(output, HasSubstr("user.max_user_namespaces"));
}

}  // namespace
}  // namespace cohort::reward::judge
