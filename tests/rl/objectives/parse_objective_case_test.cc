#include <gtest/gtest.h>

#include "base/error.h"
#include "rl/objectives/objective_case.h"

namespace cohort::rl {
namespace {

using nlohmann::json;

json GoodCase() {
  return json::parse(R"({"objective": {"preset": "dapo"}, "groups": [{"rewards": [1, null],
    "policy_logprobs": [[-0.5, -1.2], [-0.3]], "old_logprobs": null, "rollout_logprobs": null,
    "ref_logprobs": null}]})");
}

// The error after `patch` (RFC 6902) has been applied to a good case.
std::string ErrorAfter(const std::string& patch) {
  try {
    ParseObjectiveCase(GoodCase().patch(json::parse("[" + patch + "]")));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what();
  }
  return "no error";
}

TEST(ObjectiveCase, AFailedSampleHasNoAdvantageAndNoGradient) {
  const CaseResult result = EvaluateCase(ParseObjectiveCase(GoodCase()));
  EXPECT_FALSE(result.advantages[0][1].has_value());
  EXPECT_EQ(result.grad[0][1], (std::vector<double>{0}));
  EXPECT_EQ(result.metrics.num_tokens, 2);
}

TEST(ObjectiveCase, MissingFieldsAreNamed) {
  EXPECT_EQ(ErrorAfter(R"({"op":"remove","path":"/objective"})"), "objective is missing");
  EXPECT_EQ(ErrorAfter(R"({"op":"remove","path":"/groups"})"), "groups is missing");
  EXPECT_EQ(ErrorAfter(R"({"op":"remove","path":"/groups/0/rewards"})"),
            "groups[0].rewards is missing");
  EXPECT_EQ(ErrorAfter(R"({"op":"remove","path":"/groups/0/policy_logprobs"})"),
            "groups[0].policy_logprobs is missing");
}

TEST(ObjectiveCase, LengthsThatDifferAreNamed) {
  EXPECT_EQ(ErrorAfter(R"({"op":"add","path":"/groups/0/rewards/-","value":1})"),
            "groups[0].policy_logprobs has 2 samples, rewards has 3");
  EXPECT_EQ(ErrorAfter(R"({"op":"replace","path":"/groups/0/old_logprobs","value":[[-1],[-1]]})"),
            "groups[0].old_logprobs[0] has 1 tokens, policy_logprobs[0] has 2");
  EXPECT_EQ(ErrorAfter(R"({"op":"add","path":"/groups/0/loss_mask","value":[[true,false],[]]})"),
            "groups[0].loss_mask[1] has 0 tokens, policy_logprobs[1] has 1");
}

TEST(ObjectiveCase, ValuesThatAreNotNumbersAreNamed) {
  EXPECT_EQ(ErrorAfter(R"({"op":"replace","path":"/groups/0/policy_logprobs/0/1","value":"NaN"})"),
            "groups[0].policy_logprobs[0][1] must be a finite number, got \"NaN\"");
  EXPECT_EQ(ErrorAfter(R"({"op":"replace","path":"/groups/0/rewards/0","value":true})"),
            "groups[0].rewards[0] must be a number, or null for a failed sample, got true");
  EXPECT_EQ(ErrorAfter(R"({"op":"add","path":"/groups/0/loss_mask","value":[[1,0],[1]]})"),
            "groups[0].loss_mask[0][0] must be true or false, got 1");
  EXPECT_EQ(ErrorAfter(R"({"op":"replace","path":"/groups","value":[]})"), "groups is empty");
  EXPECT_EQ(ErrorAfter(R"({"op":"replace","path":"/groups/0","value":3})"),
            "groups[0] must be an object, got 3");
}

TEST(ObjectiveCase, UnknownFieldsAreRefusedWithTheNearestName) {
  EXPECT_EQ(ErrorAfter(R"({"op":"add","path":"/groups/0/policy_logprob","value":[]})"),
            "unknown field groups[0].policy_logprob; did you mean 'policy_logprobs'?");
  EXPECT_EQ(ErrorAfter(R"({"op":"add","path":"/group","value":[]})"),
            "unknown field group; did you mean 'groups'?");
}

TEST(ObjectiveCase, WhatTheObjectiveNeedsMustBeThere) {
  const json needs_ref = GoodCase().patch(
      json::parse(R"([{"op":"replace","path":"/objective/preset","value":"grpo"}])"));
  EXPECT_THROW(EvaluateCase(ParseObjectiveCase(needs_ref)), Error);
}

}  // namespace
}  // namespace cohort::rl
