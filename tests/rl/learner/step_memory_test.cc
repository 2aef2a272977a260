#include <ATen/ops/empty.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

#include "base/error.h"
#include "policy/transformer/activation_memory.h"
#include "tests/fakes/held_bytes_counter.h"
#include "tests/rl/learner/update_golden.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kAll = 2048;

class StepMemoryOfALearner : public ::testing::Test {
 protected:
  Learner Make(const LearnerOptions& options) {
    return Learner(golden_.model.config, golden_.Start(), options);
  }
  LearnerOptions Options() { return golden_.Options(kAll); }

  // Loses its memory in the forward or the backward pass of micro-batches of more than `most` of
  // the tokens that the loss counts.
  PolicyObjective Losing(int64_t most, bool backward = false) {
    PolicyObjective objective = Grpo();
    objective.loss = [inner = Grpo().loss, most, backward](const PolicyLossInputs& inputs) {
      const bool loses = inputs.policy_logprobs_T.numel() > most;
      if (loses && !backward) throw std::bad_alloc();
      if (loses) {
        inputs.policy_logprobs_T.register_hook(
            [](const at::Tensor&) -> at::Tensor { throw std::bad_alloc(); });
      }
      return inner(inputs);
    };
    return objective;
  }

  // The golden's objective has a KL term.
  std::vector<TrainingSequence> Sequences(Learner& learner) {
    std::vector<TrainingSequence> sequences = golden_.Batch(0);
    learner.ResetReference();
    learner.RecordRefLogprobs(sequences);
    return sequences;
  }

  const UpdateGolden golden_{"tiny_moe"};
};

// Weights, and the selection biases that the experts' load moves.
TEST_F(StepMemoryOfALearner, ABudgetOfActivationsHoldsAndChangesNoBit) {
  const policy::ModelConfig& config = golden_.model.config;
  LearnerOptions options = Options();
  Learner kept = Make(options);
  options.activation_memory = static_cast<int64_t>(policy::LeastActivationBytes(config, kAll));
  Learner recomputed = Make(options);
  std::vector<TrainingSequence> sequences(80);  // nearly kAll tokens
  for (size_t i = 0; i < sequences.size(); ++i) {
    for (size_t j = 0; j < 25; ++j) {
      sequences[i].ids.push_back(static_cast<int32_t>((7 * i + 3 * j) % 40));
    }
    sequences[i].prompt_length = 5;
  }
  const auto train = [&](Learner& learner) {
    return HeldBytesCounter::PeakOf([&] {
      for (int step = 0; step < 2; ++step) learner.SftUpdate(sequences, 1e-3);
    });
  };
  const double all = train(kept);
  EXPECT_LT(train(recomputed), 0.8 * all);
  ExpectSameBits(recomputed.Weights(), kept.Weights());
  EXPECT_THAT(recomputed.memory().TakeWarnings(), IsEmpty());
}

TEST_F(StepMemoryOfALearner, ABudgetThatAllLayersAreTooFewForMakesMicroBatchesSmaller) {
  LearnerOptions options = Options();
  options.activation_memory =
      static_cast<int64_t>(policy::LeastActivationBytes(golden_.model.config, 12));
  Learner budgeted = Make(options);
  options.activation_memory = 0;
  options.max_tokens_per_microbatch = 12;
  Learner bounded = Make(options);
  budgeted.SftUpdate(golden_.Batch(0), 1e-3);
  bounded.SftUpdate(golden_.Batch(0), 1e-3);
  ExpectSameBits(budgeted.Weights(), bounded.Weights());
}

TEST_F(StepMemoryOfALearner, ASequenceBeyondTheBudgetIsTrainedAndToldOnce) {
  LearnerOptions options = Options();
  options.activation_memory = 1;
  Learner learner = Make(options);
  learner.SftUpdate(golden_.Batch(0), 1e-3);
  learner.SftUpdate(golden_.Batch(1), 1e-3);
  const std::vector<std::string> warnings = learner.memory().TakeWarnings();
  ASSERT_THAT(warnings, SizeIs(1));
  EXPECT_THAT(warnings[0], HasSubstr("more than optimizer.activation_memory_mb"));
}

TEST_F(StepMemoryOfALearner, APassThatRunsOutOfMemoryIsDoneAgainInHalvesToTheSameGradient) {
  for (const bool backward : {false, true}) {
    SCOPED_TRACE(backward);
    Learner plain = Make(Options()), halved = Make(Options());
    const auto sequences = Sequences(plain);
    Sequences(halved);
    const UpdateReport expected = plain.PolicyUpdate(Grpo(), sequences, 1e-3);
    const UpdateReport report = halved.PolicyUpdate(Losing(12, backward), sequences, 1e-3);
    EXPECT_NEAR(report.loss, expected.loss, 1e-6);
    EXPECT_NEAR(report.grad_norm, expected.grad_norm, 1e-5 * expected.grad_norm);
    ExpectWeights(halved.Weights(), plain.Weights(), kWeightTolerance);
    EXPECT_GE(halved.memory().retries(), 1);
    const std::vector<std::string> warnings = halved.memory().TakeWarnings();
    ASSERT_THAT(warnings, SizeIs(static_cast<size_t>(halved.memory().retries())));
    EXPECT_THAT(warnings[0], HasSubstr("out of memory in a step: a micro-batch of up to "));
    EXPECT_THAT(warnings[0], HasSubstr("optimizer.max_tokens_per_microbatch"));
    EXPECT_THAT(halved.memory().TakeWarnings(), IsEmpty());
  }
}

TEST_F(StepMemoryOfALearner, TheBoundStaysHalvedSoThatTheNextStepFitsAtOnce) {
  Learner learner = Make(Options());
  const auto sequences = Sequences(learner);
  learner.PolicyUpdate(Losing(12), sequences, 1e-3);
  const int64_t retries = learner.memory().retries();
  learner.PolicyUpdate(Losing(12), sequences, 1e-3);
  EXPECT_EQ(learner.memory().retries(), retries);
}

// After the failed step the learner is as one that never took it, in every bit.
TEST_F(StepMemoryOfALearner,
       WhereARetryIsForbiddenOrHopelessTheErrorHasTheSizesAndTheStateIsIntact) {
  for (const bool backward : {false, true}) {
    SCOPED_TRACE(backward);
    LearnerOptions options = Options();
    options.retry_out_of_memory = false;
    Learner learner = Make(options), fresh = Make(options);
    const auto sequences = Sequences(learner);
    Sequences(fresh);
    try {
      learner.PolicyUpdate(Losing(0, backward), sequences, 1e-3);
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
      EXPECT_THAT(error.what(), HasSubstr(" tokens takes "));
      EXPECT_THAT(error.hint(), HasSubstr("optimizer.retry_out_of_memory"));
    }
    ExpectSameBits(learner.Weights(), fresh.Weights());
    learner.PolicyUpdate(Grpo(), sequences, 1e-3);
    fresh.PolicyUpdate(Grpo(), sequences, 1e-3);
    ExpectSameBits(learner.Weights(), fresh.Weights());
  }
  Learner learner = Make(Options());
  const auto sequences = Sequences(learner);
  try {
    learner.PolicyUpdate(Losing(0), sequences, 1e-3);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_THAT(error.what(), HasSubstr("is one sequence already"));
  }
}

// Of LibTorch's own allocator, which says it in a text.
TEST_F(StepMemoryOfALearner, WhatLibTorchThrowsIsOutOfMemoryAndOtherErrorsComeThroughAsTheyAre) {
  LearnerOptions options = Options();
  options.retry_out_of_memory = false;
  Learner learner = Make(options);
  c10::SetCPUAllocator(c10::GetDefaultCPUAllocator(), 100);
  PolicyObjective objective = Grpo();
  objective.needs_ref_logprobs = false;
  objective.loss = [](const PolicyLossInputs&) -> PolicyLoss {
    at::empty({int64_t{1} << 50}, at::kByte);
    return {};
  };
  EXPECT_THROW(learner.PolicyUpdate(objective, golden_.Batch(0), 1e-3), Error);
  objective.loss = [](const PolicyLossInputs&) -> PolicyLoss { throw std::out_of_range("other"); };
  EXPECT_THROW(learner.PolicyUpdate(objective, golden_.Batch(0), 1e-3), std::out_of_range);
}

}  // namespace
}  // namespace cohort::rl
