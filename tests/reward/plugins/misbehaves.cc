// Does to itself whatever the completion says; scores 1 on anything else.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "reward/plugin.h"

extern "C" uint32_t cohort_reward_abi_version(void) { return COHORT_REWARD_ABI_VERSION; }

namespace {

int Fail(char* detail, size_t size, const char* text) {
  std::strncpy(detail, text, size);  // may lack its NUL: the host must cope
  return COHORT_REWARD_ERROR;
}

[[noreturn]] void HangWithAGrandchild() {
  signal(SIGTERM, SIG_IGN);
  fork();
  volatile bool forever = true;
  while (forever) {
  }
  abort();
}

void EatMemory() {
  std::vector<std::string> eaten;
  while (true) eaten.emplace_back(std::string(64 << 20, 'x'));
}

}  // namespace

extern "C" int cohort_reward_score(const cohort_reward_sample* sample, double* score, char* detail,
                                   size_t detail_size) {
  const std::string act(sample->completion.data, sample->completion.size);
  *score = 1;
  if (act == "hang") HangWithAGrandchild();
  if (act == "fork and return") fork();
  if (act == "nan") *score = std::nan("");
  if (act == "infinity") *score = std::numeric_limits<double>::infinity();
  if (act == "abort") abort();
  if (act == "segfault") raise(SIGSEGV);
  if (act == "exit") exit(0);
  if (act == "memory") EatMemory();
  if (act == "unparseable") return COHORT_REWARD_UNPARSEABLE;
  if (act == "unknown code") return 99;
  if (act == "fail") return Fail(detail, detail_size, "the judge is \xFF gone");
  if (act == "long detail") return Fail(detail, detail_size, std::string(100'000, 'd').c_str());
  if (act == "prints") return write(1, "noise on stdout\n", 16) > 0 ? 0 : COHORT_REWARD_ERROR;
  if (act == "writes to the channel") return write(3, act.data(), act.size()) > 0 ? 0 : 2;
  if (act == "closes the channel") close(3);
  if (act == "config") *score = std::atof(sample->config.data);
  return COHORT_REWARD_OK;
}
