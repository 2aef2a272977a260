// A custom reward: the share of vowels among the completion's letters (a toy with a graded score).
#include <cctype>
#include <cstdio>
#include <cstring>

#include "reward/plugin.h"

extern "C" uint32_t cohort_reward_abi_version(void) { return COHORT_REWARD_ABI_VERSION; }

extern "C" int cohort_reward_score(const cohort_reward_sample* sample, double* score, char* detail,
                                   size_t detail_size) {
  int letters = 0;
  int vowels = 0;
  for (size_t i = 0; i < sample->completion.size; ++i) {
    const unsigned char c = sample->completion.data[i];
    if (!std::isalpha(c)) continue;
    ++letters;
    vowels += std::strchr("aeiouAEIOU", c) != nullptr;
  }
  *score = letters == 0 ? 0.0 : static_cast<double>(vowels) / letters;
  std::snprintf(detail, detail_size, "%d of %d letters", vowels, letters);
  return COHORT_REWARD_OK;
}
