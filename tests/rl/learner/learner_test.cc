#include "rl/learner/learner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <limits>

#include "base/error.h"
#include "policy/config/routing_format.h"
#include "policy/lora/peft.h"
#include "tests/policy/family_golden.h"
#include "tests/rl/learner/update_golden.h"

namespace cohort::rl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// Keeps what the learner gives it; the loss is the mean of the tokens' negative logprobs.
struct Spy {
  std::vector<PolicyLossInputs> seen;

  PolicyObjective Objective(bool needs_ref_logprobs = false) {
    return {[this](const PolicyLossInputs& inputs) {
              seen.push_back(inputs);
              PolicyLoss part;
              part.loss = -inputs.policy_logprobs_T.sum() /
                          static_cast<double>(std::max<int64_t>(1, inputs.totals.num_tokens));
              part.metrics.num_tokens = inputs.policy_logprobs_T.numel();
              return part;
            },
            needs_ref_logprobs};
  }
};

class LearnerTest : public ::testing::Test {
 protected:
  Learner Make(int64_t max_tokens = 2048, at::ScalarType compute_dtype = at::kFloat) {
    LearnerOptions options = golden_.Options(max_tokens);
    options.compute_dtype = compute_dtype;
    return Learner(golden_.model.config, golden_.Start(), options);
  }

  const UpdateGolden golden_{"tiny_moe"};
  Spy spy_;
};

TEST_F(LearnerTest, SamplesWithoutAdvantageNeedNoForwardButCountInTheTotals) {
  std::vector<TrainingSequence> sequences = golden_.Batch(0);
  ASSERT_THAT(sequences, SizeIs(5));
  for (const size_t i : {0, 1, 2}) sequences[i].advantage = 0;
  Learner learner = Make();
  const UpdateReport report = learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3);
  // The second prompt's two tokens, and the completions of 6 and 4 but for their last.
  EXPECT_EQ(report.trained_tokens, 2 + 5 + 3);
  ASSERT_THAT(spy_.seen, SizeIs(1));
  EXPECT_EQ(spy_.seen[0].advantages_B.numel(), 2);
  EXPECT_EQ(spy_.seen[0].totals.num_samples, 5);
  EXPECT_EQ(spy_.seen[0].totals.num_tokens, 3 + 5 + 1 + 6 + 4);
}

TEST_F(LearnerTest, AKlTermTrainsOnSamplesWithoutAdvantageToo) {
  std::vector<TrainingSequence> sequences = golden_.Batch(0);
  for (TrainingSequence& sequence : sequences) sequence.advantage = 0;
  Learner learner = Make();
  learner.PolicyUpdate(spy_.Objective(/*needs_ref_logprobs=*/true), sequences, 1e-3);
  ASSERT_THAT(spy_.seen, SizeIs(1));
  EXPECT_EQ(spy_.seen[0].advantages_B.numel(), 5);
}

TEST_F(LearnerTest, AStepWithoutAnyAdvantageChangesNothing) {
  std::vector<TrainingSequence> sequences = golden_.Batch(0);
  for (TrainingSequence& sequence : sequences) sequence.advantage = 0;
  Learner learner = Make();
  const policy::WeightMap before = Copied(learner.Weights());
  const UpdateReport report = learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3);
  EXPECT_EQ(report.trained_tokens, 0);
  EXPECT_EQ(report.skipped, "");
  ExpectSameBits(learner.Weights(), before);
}

TEST_F(LearnerTest, AFrozenRouterAndABiasRateOfZeroLeaveTheRoutingAsItIs) {
  const auto routing = [](const Learner& learner) {
    std::map<std::string, at::Tensor> found;
    for (const auto& [name, tensor] : learner.Weights()) {
      if (name.find(".mlp.gate.") != std::string::npos) found[name] = tensor.clone();
    }
    return found;
  };
  for (const bool freeze : {true, false}) {
    Learner learner = Make();
    learner.SetRouting({.selection_bias_rate = 0, .freeze_router = freeze});
    const auto before = routing(learner);
    ASSERT_FALSE(before.empty());
    learner.SftUpdate(golden_.Batch(0), 0.01);
    for (const auto& [name, tensor] : routing(learner)) {
      const bool bias = name.ends_with("e_score_correction_bias");
      EXPECT_EQ(at::equal(tensor, before.at(name)), freeze || bias) << name;
    }
  }
}

TEST_F(LearnerTest, AFrozenRouterKeepsItsBias) {
  policy::ModelConfig config = golden_.model.config;
  config.moe.router_bias = true;
  for (const bool freeze : {true, false}) {
    policy::WeightMap start = golden_.Start();
    for (const policy::TensorSpec& spec : ExpectedTensors(config)) {
      if (!start.contains(spec.name)) start[spec.name] = at::zeros(spec.shape);
    }
    Learner learner(config, std::move(start), golden_.Options(2048));
    learner.SetRouting({.selection_bias_rate = 0, .freeze_router = freeze});
    learner.SftUpdate(golden_.Batch(0), 0.01);
    int found = 0;
    for (const auto& [name, tensor] : learner.Weights()) {
      if (!name.ends_with(".mlp.gate.bias")) continue;
      EXPECT_EQ(tensor.abs().sum().item<double>() == 0, freeze) << name;
      ++found;
    }
    EXPECT_GT(found, 0);
  }
}

TEST_F(LearnerTest, TheExpertsLoadCountsEachTokenOnceHoweverTheStepIsSplit) {
  std::vector<TrainingSequence> sequences = golden_.Batch(0);
  MarkCommonPrompts(sequences);
  std::vector<double> busiest;
  std::vector<at::Tensor> biases;
  for (const int64_t max_tokens : {2048, 8, 1}) {
    for (const bool flat : {false, true}) {
      Learner learner = Make(max_tokens);
      std::vector<TrainingSequence> step = sequences;
      if (flat) step[0].advantage = step[1].advantage = 0;  // counted all the same
      const UpdateReport report = learner.PolicyUpdate(spy_.Objective(), step, 0);
      busiest.push_back(report.busiest_expert);
      for (const auto& [name, tensor] : learner.Weights()) {
        if (name.ends_with("layers.1.mlp.gate.e_score_correction_bias")) {
          biases.push_back(tensor.clone());
        }
      }
    }
  }
  ASSERT_EQ(biases.size(), 6u);
  EXPECT_GT(biases[0].abs().max().item<double>(), 0);
  for (size_t i = 1; i < busiest.size(); ++i) {
    EXPECT_EQ(busiest[i], busiest[0]) << i;
    EXPECT_TRUE(at::equal(biases[i], biases[0])) << i;
  }
}

// Sends every token of a sequence to these experts.
void RouteAllTo(const std::string& experts, const policy::RoutingFormat& format,
                TrainingSequence* sequence) {
  std::string token;
  for (int64_t layer = 0; layer < format.moe_layers; ++layer) token += experts;
  std::string prompt;
  for (int64_t i = 0; i < sequence->prompt_length; ++i) prompt += token;
  sequence->prompt_routing = std::make_shared<const std::string>(prompt);
  sequence->routing.clear();
  for (int64_t i = 1; i < sequence->completion_length(); ++i) sequence->routing += token;
}

TEST_F(LearnerTest, TokensGoWhereTheyWentWhenTheyWereSampledHoweverTheStepIsSplit) {
  const auto format = policy::RoutingFormatOf(golden_.model.config);
  ASSERT_EQ(format.experts_per_token, 2);
  const double fair = 2.0 / static_cast<double>(format.num_experts);
  std::vector<TrainingSequence> sequences = golden_.Batch(0);
  for (TrainingSequence& sequence : sequences) {
    sequence.advantage = 1;
    RouteAllTo(std::string("\3\1"), format, &sequence);
  }
  std::optional<UpdateReport> whole;
  for (const int64_t max_tokens : {2048, 8}) {
    Learner learner = Make(max_tokens);
    const UpdateReport report = learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3);
    EXPECT_NEAR(report.busiest_expert, 1 / fair, 1e-9);  // all tokens, in every layer
    EXPECT_EQ(report.replayed_tokens, report.trained_tokens * format.moe_layers);
    EXPECT_GT(report.rerouted_tokens, 0);
    EXPECT_LE(report.rerouted_tokens, report.replayed_tokens);
    if (whole) {
      EXPECT_NEAR(report.loss, whole->loss, 1e-6);
    }
    whole = report;
  }
  Learner learner = Make();
  learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3);
  const UpdateReport own = learner.SftUpdate(golden_.Batch(0), 1e-3);
  EXPECT_EQ(own.replayed_tokens, 0) << "a batch without routing picks its own";
  EXPECT_LT(own.busiest_expert, 1 / fair);
}

TEST_F(LearnerTest, TheReferencePicksItsOwnExperts) {
  std::vector<TrainingSequence> own = golden_.Batch(0), replayed = golden_.Batch(0);
  for (TrainingSequence& sequence : replayed) {
    RouteAllTo(std::string("\3\1"), policy::RoutingFormatOf(golden_.model.config), &sequence);
  }
  Learner learner = Make();
  learner.ResetReference();
  learner.RecordRefLogprobs(own);
  learner.RecordRefLogprobs(replayed);
  const PolicyObjective objective = spy_.Objective(/*needs_ref_logprobs=*/true);
  learner.RecordOldLogprobs(objective, own);
  learner.RecordOldLogprobs(objective, replayed);
  for (size_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(replayed[i].ref_logprobs, own[i].ref_logprobs);
    EXPECT_NE(replayed[i].old_logprobs, own[i].old_logprobs);
  }
}

TEST_F(LearnerTest, RoutingOfSomeSequencesOrOfOtherTokensIsAnInternalError) {
  const auto format = policy::RoutingFormatOf(golden_.model.config);
  std::vector<TrainingSequence> sequences = golden_.Batch(0);
  for (TrainingSequence& sequence : sequences) sequence.advantage = 1;
  RouteAllTo(std::string("\3\1"), format, &sequences[0]);
  Learner learner = Make();
  EXPECT_THROW(learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3), Error);
  for (TrainingSequence& sequence : sequences) {
    RouteAllTo(std::string("\3\1"), format, &sequence);
  }
  sequences[1].routing += '\1';
  EXPECT_THROW(learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3), Error);
}

TEST_F(LearnerTest, NamesTheFirstWeightThatIsNotFinite) {
  Learner learner = Make();
  EXPECT_EQ(learner.NonFiniteWeight(), "");
  const at::NoGradGuard no_grad;
  learner.Weights().at("model.norm.weight").fill_(std::nan(""));
  EXPECT_EQ(learner.NonFiniteWeight(), "model.norm.weight");
}

TEST_F(LearnerTest, OldLogprobsAreUsedWhenThere) {
  std::vector<TrainingSequence> sequences = golden_.Batch(0);
  Learner learner = Make();
  learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3);
  EXPECT_FALSE(spy_.seen[0].old_logprobs_T.defined());
  for (TrainingSequence& sequence : sequences) {
    sequence.old_logprobs.assign(static_cast<size_t>(sequence.completion_length()), -1.5F);
  }
  learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3);
  ASSERT_TRUE(spy_.seen[1].old_logprobs_T.defined());
  EXPECT_TRUE(spy_.seen[1].old_logprobs_T.equal(at::full({19}, -1.5F)));
}

TEST_F(LearnerTest, OldLogprobsAreThePolicysOwnBeforeTheUpdate) {
  std::vector<TrainingSequence> sequences = golden_.Batch(0);
  sequences[1].advantage = 0;
  Learner learner = Make(/*max_tokens=*/8);
  learner.RecordOldLogprobs(spy_.Objective(), sequences);
  EXPECT_THAT(sequences[1].old_logprobs, IsEmpty()) << "is not trained on";
  EXPECT_THAT(sequences[0].old_logprobs, SizeIs(3));
  sequences.erase(sequences.begin() + 1);
  learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3);
  for (const PolicyLossInputs& inputs : spy_.seen) {
    EXPECT_LT((inputs.old_logprobs_T - inputs.policy_logprobs_T).abs().max().item<double>(), 1e-5);
  }
}

TEST_F(LearnerTest, TheReferenceStaysWhereItWas) {
  std::vector<TrainingSequence> before = golden_.Batch(0), after = before;
  Learner learner = Make();
  EXPECT_THROW(learner.RecordRefLogprobs(before), Error);
  learner.ResetReference();
  learner.RecordRefLogprobs(before);
  learner.PolicyUpdate(spy_.Objective(), before, 1e-2);
  learner.RecordRefLogprobs(after);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].ref_logprobs, after[i].ref_logprobs);
  }
  learner.ResetReference();
  learner.RecordRefLogprobs(after);
  EXPECT_NE(before[0].ref_logprobs, after[0].ref_logprobs);
}

TEST_F(LearnerTest, AGradientThatIsNotFiniteChangesNothing) {
  const std::vector<TrainingSequence> sequences = golden_.Batch(0);
  Learner learner = Make();
  learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3);
  const policy::WeightMap before = Copied(learner.SaveState());
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const PolicyObjective broken = {[&](const PolicyLossInputs& inputs) {
                                      return PolicyLoss{(inputs.policy_logprobs_T * bad).sum(), {}};
                                    },
                                    false};
    const UpdateReport report = learner.PolicyUpdate(broken, sequences, 1e-3);
    EXPECT_THAT(report.skipped, testing::HasSubstr("is not finite"));
    ExpectSameBits(learner.SaveState(), before);  // selection biases and moments too
  }
  // Nothing of it is left for the next step.
  EXPECT_EQ(learner.PolicyUpdate(spy_.Objective(), sequences, 1e-3).skipped, "");
}

policy::LoraConfig Adapters() { return {4, 8, {policy::kAllLinear}}; }

TEST_F(LearnerTest, AdaptersAloneAreTrained) {
  Learner learner = Make();
  const policy::WeightMap base = Copied(learner.Weights());
  learner.TrainAdapters(Adapters(), /*seed=*/1);
  ExpectSameBits(learner.Weights(), base);  // a fresh adapter changes nothing
  const policy::WeightMap fresh = Copied(learner.Adapter()->weights);
  learner.PolicyUpdate(spy_.Objective(), golden_.Batch(0), 1e-2);
  learner.PolicyUpdate(spy_.Objective(), golden_.Batch(1), 1e-2);

  int changed = 0;
  const std::optional<policy::LoraAdapter> trained = learner.Adapter();
  for (const auto& [name, tensor] : trained->weights) {
    changed += tensor.equal(fresh.at(name)) ? 0 : 1;
  }
  EXPECT_EQ(changed, static_cast<int>(fresh.size()));
  for (const auto& [name, tensor] : learner.SaveState()) {
    EXPECT_TRUE(name.find(".lora_") != std::string::npos || name == "adamw/step") << name;
  }
  // Taken off again, the weights are those of the start.
  policy::WeightMap merged = base;
  policy::MergeLora(*learner.Adapter(), golden_.model.config, &merged);
  ExpectWeights(learner.Weights(), merged, 1e-6);
  for (const auto& [name, tensor] : base) {
    const bool adapted = name.find("proj") != std::string::npos;
    EXPECT_EQ(learner.Weights().at(name).equal(tensor), !adapted) << name;
  }
}

// A run that is saved and loaded goes on as if it had not stopped.
void ExpectToContinue(const UpdateGolden& golden, Learner straight, Learner resumed) {
  const PolicyObjective objective = Grpo();
  const auto update = [&](Learner& learner, size_t batch) {
    std::vector<TrainingSequence> sequences = golden.Batch(batch);
    learner.RecordRefLogprobs(sequences);
    return learner.PolicyUpdate(objective, sequences, 3e-3);
  };
  straight.PolicyUpdate(Spy().Objective(), golden.Batch(1), 1e-2);
  straight.ResetReference();
  update(straight, 0);
  resumed.LoadState(Copied(straight.SaveState()));
  ExpectSameBits(resumed.SaveState(), straight.SaveState());
  EXPECT_EQ(update(resumed, 1).loss, update(straight, 1).loss);
  ExpectSameBits(resumed.SaveState(), straight.SaveState());
}

TEST_F(LearnerTest, ASavedStateGoesOnBitForBit) { ExpectToContinue(golden_, Make(), Make()); }

TEST_F(LearnerTest, ASavedStateOfAdaptersGoesOnBitForBit) {
  Learner straight = Make(), resumed = Make();
  straight.TrainAdapters(Adapters(), /*seed=*/1);
  resumed.TrainAdapters(Adapters(), /*seed=*/2);
  ExpectToContinue(golden_, std::move(straight), std::move(resumed));
}

TEST_F(LearnerTest, ASavedStateWithMasterWeightsGoesOnBitForBit) {
  ExpectToContinue(golden_, Make(2048, at::kBFloat16), Make(2048, at::kBFloat16));
}

TEST_F(LearnerTest, WithoutMastersMatricesAreBf16AndASavedStateGoesOnBitForBit) {
  LearnerOptions options = golden_.Options(8);  // several micro-batches
  options.optimizer.masters = false;
  options.optimizer.bf16_moments = true;
  options.numerics = kernels::Numerics::kBf16Dot;
  const auto make = [&] { return Learner(golden_.model.config, golden_.Start(), options); };
  for (const auto& [name, tensor] : make().Weights()) {
    const bool exact = tensor.dim() < 2 || name.ends_with(".mlp.gate.weight");
    EXPECT_EQ(tensor.scalar_type(), exact ? at::kFloat : at::kBFloat16) << name;
  }
  ExpectToContinue(golden_, make(), make());
}

TEST_F(LearnerTest, ACheckpointGoesOnWithoutMastersAndBack) {
  LearnerOptions options = golden_.Options(2048);
  Learner with(golden_.model.config, golden_.Start(), options);
  options.optimizer.masters = false;
  Learner without(golden_.model.config, golden_.Start(), options);
  with.SftUpdate(golden_.Batch(0), 1e-3);
  without.LoadState(Copied(with.SaveState()));
  const policy::WeightMap rounded = without.Weights(), exact = with.Weights();
  for (const auto& [name, tensor] : rounded) {
    EXPECT_TRUE(tensor.equal(exact.at(name).to(tensor.scalar_type()))) << name;
  }
  EXPECT_EQ(without.SftUpdate(golden_.Batch(1), 1e-3).skipped, "");
  with.LoadState(Copied(without.SaveState()));
  for (const auto& [name, tensor] : with.Weights()) {
    EXPECT_TRUE(tensor.equal(without.Weights().at(name).to(at::kFloat))) << name;
  }
  EXPECT_EQ(with.SftUpdate(golden_.Batch(0), 1e-3).skipped, "");
}

TEST_F(LearnerTest, AResetOptimizerStartsAnew) {
  Learner learner = Make();
  learner.PolicyUpdate(spy_.Objective(), golden_.Batch(0), 1e-3);
  EXPECT_EQ(learner.SaveState().at("adamw/step").item<int64_t>(), 1);
  learner.ResetOptimizer();
  for (const auto& [name, tensor] : learner.SaveState()) {
    if (name.starts_with("adamw/")) {
      EXPECT_EQ(tensor.abs().max().item<double>(), 0) << name;
    }
  }
}

TEST_F(LearnerTest, ReportsTheMultiTokenPredictionLossOfTheReference) {
  const auto golden = nlohmann::json::parse(
      base::ReadFile(std::string(COHORT_GOLDEN_DIR) + "/policy/deepseek_v3_mtp.json"));
  policy::ModelConfig config = policy::ReadFamilyGolden("deepseek_v3").config;
  config.num_mtp_layers = golden.at("depths");
  LearnerOptions options;
  options.mtp_loss_weight = golden.at("lambda");
  options.max_tokens_per_microbatch = 40;
  Learner learner(config, policy::FamilyGoldenWeights(config), options);
  const UpdateReport report = learner.SftUpdate(ReadSequences(golden.at("sequences")), 1e-3);
  ASSERT_TRUE(report.mtp_loss.has_value());
  EXPECT_NEAR(*report.mtp_loss, golden.at("mtp_loss").get<double>(), 1e-5);
  EXPECT_NEAR(report.loss, golden.at("loss").get<double>(), 1e-5);
  EXPECT_GT(learner.Weights().size(), learner.DecoderWeights().size());
}

}  // namespace
}  // namespace cohort::rl
