#include "reward/plugin.h"

extern "C" uint32_t cohort_reward_abi_version(void) { return COHORT_REWARD_ABI_VERSION; }
