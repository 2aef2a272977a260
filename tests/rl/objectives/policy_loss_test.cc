#include "rl/objectives/policy_loss.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "rl/objectives/objective.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

constexpr int64_t kTokens = 40;
constexpr int64_t kSamples = 6;

proto::Objective Make(proto::Objective::Preset preset) {
  proto::Objective objective = FromPreset(preset);
  objective.set_max_length(12);
  return objective;
}

// A whole optimizer step, fp64; token t belongs to a sample that random lengths decide.
PolicyLossInputs RandomStep() {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(11);
  const auto normal = [&](int64_t size, double scale) {
    return at::randn({size}, generator, at::kDouble) * scale;
  };
  PolicyLossInputs step;
  step.policy_logprobs_T = -normal(kTokens, 1).abs();
  step.old_logprobs_T = step.policy_logprobs_T + normal(kTokens, .4);
  step.rollout_logprobs_T = step.old_logprobs_T + normal(kTokens, .4);
  step.ref_logprobs_T = step.policy_logprobs_T + normal(kTokens, .3);
  step.advantages_B = normal(kSamples, 1);
  const at::Tensor extra = at::randint(kSamples, {kTokens - kSamples}, generator, at::kLong);
  step.sequence_index_T = std::get<0>(at::cat({at::arange(kSamples), extra}).sort());
  step.totals = {kTokens, kSamples};
  return step;
}

// The samples in `chosen`, in that order, as one micro-batch of the same step; `rows` gets the
// step's token of each of its tokens.
PolicyLossInputs Select(const PolicyLossInputs& step, const std::vector<int64_t>& chosen,
                        at::Tensor* rows) {
  std::vector<at::Tensor> rows_of, index_of;
  for (size_t s = 0; s < chosen.size(); ++s) {
    rows_of.push_back((step.sequence_index_T == chosen[s]).nonzero().squeeze(1));
    index_of.push_back(at::full_like(rows_of.back(), static_cast<int64_t>(s)));
  }
  *rows = at::cat(rows_of);
  PolicyLossInputs micro = step;
  micro.policy_logprobs_T = step.policy_logprobs_T.index_select(0, *rows);
  micro.old_logprobs_T = step.old_logprobs_T.index_select(0, *rows);
  micro.rollout_logprobs_T = step.rollout_logprobs_T.index_select(0, *rows);
  micro.ref_logprobs_T = step.ref_logprobs_T.index_select(0, *rows);
  micro.advantages_B = step.advantages_B.index_select(0, at::tensor(chosen));
  micro.sequence_index_T = at::cat(index_of);
  return micro;
}

struct StepResult {
  double loss = 0;
  at::Tensor grad_T = at::zeros({kTokens}, at::kDouble);
  PolicyLossMetrics metrics;
};

StepResult RunStep(const proto::Objective& objective, const PolicyLossInputs& step,
                   const std::vector<std::vector<int64_t>>& plan) {
  StepResult result;
  for (const std::vector<int64_t>& chosen : plan) {
    at::Tensor rows;
    PolicyLossInputs micro = Select(step, chosen, &rows);
    micro.policy_logprobs_T.requires_grad_(true);
    const PolicyLoss policy_loss = ComputePolicyLoss(objective, micro);
    policy_loss.loss.backward();
    result.loss += policy_loss.loss.item<double>();
    result.grad_T.index_add_(0, rows, micro.policy_logprobs_T.grad());
    result.metrics.Add(policy_loss.metrics);
  }
  return result;
}

std::vector<proto::Objective::Preset> Presets() {
  std::vector<proto::Objective::Preset> presets;
  for (int i = proto::Objective::Preset_MIN; i <= proto::Objective::Preset_MAX; ++i) {
    presets.push_back(static_cast<proto::Objective::Preset>(i));
  }
  return presets;
}

std::vector<proto::Objective> EveryPreset() {
  std::vector<proto::Objective> objectives;
  for (const auto preset : Presets()) {
    objectives.push_back(Make(preset));
    proto::Objective loaded = Make(preset);
    loaded.set_kl(proto::Objective::KL_K2);
    loaded.set_kl_coef(0.1);
    loaded.set_is_correction(proto::Objective::IS_CORRECTION_TOKEN);
    loaded.set_aggregation(proto::Objective::AGGREGATION_SEQUENCE_SUM);
    objectives.push_back(loaded);
  }
  return objectives;
}

TEST(PolicyLoss, DoesNotDependOnTheSplitIntoMicroBatchesNorOnTheOrder) {
  const PolicyLossInputs step = RandomStep();
  for (const proto::Objective& objective : EveryPreset()) {
    const StepResult whole = RunStep(objective, step, {{0, 1, 2, 3, 4, 5}});
    for (const auto& plan : std::vector<std::vector<std::vector<int64_t>>>{
             {{5, 3, 1, 0, 2, 4}}, {{0}, {1}, {2}, {3}, {4}, {5}}, {{4, 1}, {0, 5, 2}, {3}}}) {
      const StepResult split = RunStep(objective, step, plan);
      EXPECT_NEAR(split.loss, whole.loss, 1e-14) << WordOf(objective.preset());
      EXPECT_LT((split.grad_T - whole.grad_T).abs().max().item<double>(), 1e-15);
      EXPECT_NEAR(split.metrics.clip_fraction(), whole.metrics.clip_fraction(), 1e-15);
      EXPECT_NEAR(split.metrics.kl(), whole.metrics.kl(), 1e-14);
      EXPECT_NEAR(split.metrics.gap_mean(), whole.metrics.gap_mean(), 1e-14);
      EXPECT_EQ(split.metrics.ratio_max, whole.metrics.ratio_max);
    }
  }
}

TEST(PolicyLoss, TheGradientIsTheFiniteDifferenceOfTheLoss) {
  const PolicyLossInputs step = RandomStep();
  constexpr double kStep = 1e-6;
  for (const proto::Objective& objective : EveryPreset()) {
    if (objective.ratio() == proto::Objective::RATIO_CISPO)
      continue;  // its loss has a detached weight in it
    const at::Tensor grad_T = RunStep(objective, step, {{0, 1, 2, 3, 4, 5}}).grad_T;
    for (int64_t t = 0; t < kTokens; ++t) {
      const auto loss_at = [&](double offset) {
        PolicyLossInputs moved = step;
        moved.policy_logprobs_T = step.policy_logprobs_T.clone();
        moved.policy_logprobs_T[t] += offset;
        return ComputePolicyLoss(objective, moved).loss.item<double>();
      };
      EXPECT_NEAR((loss_at(kStep) - loss_at(-kStep)) / (2 * kStep), grad_T[t].item<double>(), 1e-8)
          << WordOf(objective.preset()) << " token " << t;
    }
  }
}

TEST(PolicyLoss, TheDefaultOldPolicyIsThePolicyItself) {
  PolicyLossInputs step = RandomStep();
  step.old_logprobs_T = step.policy_logprobs_T;
  PolicyLossInputs implied = step;
  implied.old_logprobs_T = at::Tensor();
  step.policy_logprobs_T = step.policy_logprobs_T.clone().requires_grad_(true);
  implied.policy_logprobs_T = implied.policy_logprobs_T.clone().requires_grad_(true);
  const PolicyLoss given = ComputePolicyLoss(Make(proto::Objective::PRESET_DAPO), step);
  const PolicyLoss own = ComputePolicyLoss(Make(proto::Objective::PRESET_DAPO), implied);
  given.loss.backward();
  own.loss.backward();
  EXPECT_EQ(own.loss.item<double>(), given.loss.item<double>());
  EXPECT_TRUE(step.policy_logprobs_T.grad().equal(implied.policy_logprobs_T.grad()));
  EXPECT_GT(implied.policy_logprobs_T.grad().abs().max().item<double>(), 0);
  EXPECT_EQ(own.metrics.ratio_mean(), 1);
  EXPECT_EQ(own.metrics.ratio_max, 1);
}

TEST(PolicyLoss, RunsInSinglePrecisionAsInTraining) {
  PolicyLossInputs step = RandomStep();
  const PolicyLoss exact = ComputePolicyLoss(Make(proto::Objective::PRESET_GRPO), step);
  for (at::Tensor* tensor : {&step.policy_logprobs_T, &step.old_logprobs_T, &step.ref_logprobs_T,
                             &step.rollout_logprobs_T, &step.advantages_B}) {
    *tensor = tensor->to(at::kFloat);
  }
  const PolicyLoss rounded = ComputePolicyLoss(Make(proto::Objective::PRESET_GRPO), step);
  EXPECT_EQ(rounded.loss.scalar_type(), at::kFloat);
  EXPECT_NEAR(rounded.loss.item<float>(), exact.loss.item<double>(), 1e-6);
}

TEST(PolicyLoss, AnOverflowingRatioInTheClippedBranchLeavesAZeroGradient) {
  PolicyLossInputs step;
  step.policy_logprobs_T = at::zeros({1}).requires_grad_(true);
  step.old_logprobs_T = at::full({1}, -200.0);
  step.advantages_B = at::ones({1});
  step.sequence_index_T = at::zeros({1}, at::kLong);
  step.totals = {1, 1};
  const PolicyLoss policy_loss = ComputePolicyLoss(Make(proto::Objective::PRESET_DAPO), step);
  policy_loss.loss.backward();
  EXPECT_FLOAT_EQ(policy_loss.loss.item<float>(), -1.28f);
  EXPECT_EQ(step.policy_logprobs_T.grad().item<float>(), 0);
  EXPECT_EQ(policy_loss.metrics.clip_fraction(), 1);
}

TEST(PolicyLoss, MetricsAreWhatTheySay) {
  PolicyLossInputs step;
  step.policy_logprobs_T = at::tensor({-1.0, -1.0, -1.0, -1.0}, at::kDouble);
  step.old_logprobs_T = at::tensor({-1.0, -1.5, -0.5, -1.1}, at::kDouble);
  step.rollout_logprobs_T = at::tensor({-1.0, -1.5, -1.0, -1.0}, at::kDouble);
  step.advantages_B = at::tensor({1.0}, at::kDouble);
  step.sequence_index_T = at::zeros({4}, at::kLong);
  step.totals = {4, 1};
  const PolicyLossMetrics metrics =
      ComputePolicyLoss(Make(proto::Objective::PRESET_DAPO), step).metrics;
  EXPECT_EQ(metrics.num_tokens, 4);
  EXPECT_EQ(metrics.clip_fraction(), 0.25);  // A > 0: only exp(0.5) > 1.28 is cut
  EXPECT_NEAR(metrics.ratio_max, std::exp(.5), 1e-15);
  EXPECT_NEAR(metrics.ratio_mean(), (1 + std::exp(.5) + std::exp(-.5) + std::exp(.1)) / 4, 1e-15);
  const auto k3 = [](double d) { return std::exp(-d) - 1 + d; };
  EXPECT_NEAR(metrics.kl(), (k3(.5) + k3(-.5) + k3(.1)) / 4, 1e-15);
  EXPECT_NEAR(metrics.gap_mean(), 0.15, 1e-15);  // old to rollout, whatever the policy is by now
  EXPECT_EQ(metrics.gap_max, 0.5);
}

TEST(PolicyLoss, AnEmptyMicroBatchCostsNothing) {
  PolicyLossInputs step;
  step.policy_logprobs_T = at::zeros({0}, at::kDouble).requires_grad_(true);
  step.ref_logprobs_T = at::zeros({0}, at::kDouble);
  step.advantages_B = at::zeros({2}, at::kDouble);
  step.sequence_index_T = at::zeros({0}, at::kLong);
  for (const auto preset : Presets()) {
    EXPECT_EQ(ComputePolicyLoss(Make(preset), step).loss.item<double>(), 0) << WordOf(preset);
  }
}

TEST(PolicyLoss, MissingLogprobsAreNamed) {
  PolicyLossInputs step = RandomStep();
  step.ref_logprobs_T = at::Tensor();
  EXPECT_THROW(ComputePolicyLoss(Make(proto::Objective::PRESET_GRPO), step), Error);
  EXPECT_NO_THROW(ComputePolicyLoss(Make(proto::Objective::PRESET_DAPO), step));
  step.rollout_logprobs_T = at::Tensor();
  proto::Objective corrected = Make(proto::Objective::PRESET_DAPO);
  corrected.set_is_correction(proto::Objective::IS_CORRECTION_TOKEN);
  EXPECT_THROW(ComputePolicyLoss(corrected, step), Error);
}

TEST(PolicyLoss, ShapesThatDoNotMatchAreABrokenInvariant) {
  PolicyLossInputs step = RandomStep();
  step.old_logprobs_T = at::zeros({1}, at::kDouble);
  EXPECT_THROW(ComputePolicyLoss(Make(proto::Objective::PRESET_DAPO), step), Error);
}

}  // namespace
}  // namespace cohort::rl
