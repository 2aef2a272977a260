/* The C interface of a custom reward: a shared object that exports the two functions below.
 *
 * It runs in a process of its own, one sample at a time: a crash, a hang or a NaN costs that sample
 * and nothing else. C++ code may throw; the exception's text becomes the sample's failure.
 * Version 1 never changes; a new version gets a new number. */
#ifndef COHORT_REWARD_PLUGIN_H
#define COHORT_REWARD_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define COHORT_REWARD_ABI_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes with their size; data[size] is a NUL. Valid during the call only. */
typedef struct cohort_reward_text {
  const char* data;
  size_t size;
} cohort_reward_text;

typedef struct cohort_reward_sample {
  uint64_t sample_id;
  cohort_reward_text prompt;
  cohort_reward_text completion; /* what the policy wrote; need not be valid UTF-8 */
  cohort_reward_text answer;
  cohort_reward_text columns_json; /* every other column of the dataset's row, one JSON object */
  cohort_reward_text config;       /* the reward's option `config`, as it stands in the recipe */
} cohort_reward_sample;

/* What cohort_reward_score returns. */
enum {
  COHORT_REWARD_OK = 0,          /* *score is set */
  COHORT_REWARD_UNPARSEABLE = 1, /* this sample cannot be judged, e.g. its answer makes no sense */
  COHORT_REWARD_ERROR = 2        /* the reward itself failed; `detail` says why */
};

/* Returns COHORT_REWARD_ABI_VERSION as it was when the plug-in was compiled. */
uint32_t cohort_reward_abi_version(void);

/* Sets *score (finite) and may write a NUL-terminated text of at most detail_size bytes. */
int cohort_reward_score(const cohort_reward_sample* sample, double* score, char* detail,
                        size_t detail_size);

#ifdef __cplusplus
}
#endif

#endif
