// Throws on every sample whose completion says so; scores 1 on the others.
#include <new>
#include <stdexcept>
#include <string>

#include "reward/plugin.h"

extern "C" uint32_t cohort_reward_abi_version(void) { return COHORT_REWARD_ABI_VERSION; }

extern "C" int cohort_reward_score(const cohort_reward_sample* sample, double* score, char*,
                                   size_t) {
  const std::string completion(sample->completion.data, sample->completion.size);
  if (completion == "throw") throw std::runtime_error("no such column");
  if (completion == "throw int") throw 7;
  if (completion == "throw bad_alloc") throw std::bad_alloc();
  *score = 1;
  return COHORT_REWARD_OK;
}
