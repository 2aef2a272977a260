#pragma once

// One sample under one reward, as tests write it.

#include <gtest/gtest.h>

#include "reward/registry.h"
#include "reward/service/combine.h"

namespace cohort::reward {

using OptionMap = std::map<std::string, std::string>;

inline Sample MakeSample(const std::string& completion, const std::string& answer = "") {
  Sample sample;
  sample.set_sample_id(1);
  sample.set_prompt("a prompt");
  sample.set_completion(completion);
  sample.set_answer(answer);
  return sample;
}

inline Grade GradeOf(const std::string& reward, const std::string& completion,
                     const std::string& answer = "", const OptionMap& options = {},
                     int limit_ms = 10'000) {
  return MakeGrader(reward, options)
      ->Score(MakeSample(completion, answer), Budget(std::chrono::milliseconds(limit_ms)));
}

// The score of a sample that must be judged.
inline double ScoreOf(const std::string& reward, const std::string& completion,
                      const std::string& answer = "", const OptionMap& options = {}) {
  const Grade grade = GradeOf(reward, completion, answer, options);
  EXPECT_EQ(grade.status, STATUS_OK) << grade.detail;
  return grade.score;
}

inline std::string TestPlugin(const std::string& name) {
  return COHORT_BIN_DIR "/test_plugins/" + name + ".so";
}

}  // namespace cohort::reward
