#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "rollout/cpu/cpu_decoder.h"

namespace cohort::rollout {

inline GroupRequest Request(std::vector<int32_t> prompt, std::vector<uint64_t> sample_ids,
                            int32_t new_tokens) {
  GroupRequest request{.prompt_ids = std::move(prompt), .sample_ids = std::move(sample_ids)};
  request.sampling.max_new_tokens = new_tokens;
  request.sampling.seed = 5;
  return request;
}

inline void ExpectSame(const std::vector<SampledCompletion>& a,
                       const std::vector<SampledCompletion>& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].sample_id, b[i].sample_id) << what;
    EXPECT_EQ(a[i].group_id, b[i].group_id) << what;
    EXPECT_EQ(a[i].ids, b[i].ids) << what << ", sample " << a[i].sample_id;
    EXPECT_EQ(a[i].rollout_logprobs, b[i].rollout_logprobs)
        << what << ", sample " << a[i].sample_id;
    EXPECT_EQ(a[i].finish_reason, b[i].finish_reason) << what;
  }
}

}  // namespace cohort::rollout
