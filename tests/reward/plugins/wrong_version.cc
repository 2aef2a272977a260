#include "reward/plugin.h"

extern "C" uint32_t cohort_reward_abi_version(void) { return 99; }

extern "C" int cohort_reward_score(const cohort_reward_sample*, double*, char*, size_t) {
  return 0;
}
