#include <gtest/gtest.h>
#include <torch/types.h>

#include "rl/learner/learner.h"
#include "tests/rl/learner/update_golden.h"

namespace cohort::rl {
namespace {

Learner Make(const UpdateGolden& golden, at::ScalarType compute_dtype) {
  LearnerOptions options = golden.Options(2048);
  options.compute_dtype = compute_dtype;
  return Learner(golden.model.config, golden.Start(), options);
}

// bf16 has 8 bits: a product is off by up to 2^-9, a hidden state after some layers by a few times
// that. The model is dense: a token that the rounding sends to another expert has another gradient.
TEST(LearnerOfADenseModel, Bf16GivesTheLossAndTheGradientOfFp32WithinItsRounding) {
  const UpdateGolden golden("tiny_llama");
  LearnerOptions options = golden.Options(2048);
  Learner exact(golden.model.config, golden.Start(), options);
  options.compute_dtype = at::kBFloat16;
  Learner rounded(golden.model.config, golden.Start(), options);
  const UpdateReport expected = exact.SftUpdate(golden.Batch(0), 1e-3);
  const UpdateReport report = rounded.SftUpdate(golden.Batch(0), 1e-3);
  EXPECT_EQ(report.skipped, "");
  EXPECT_NEAR(report.loss, expected.loss, 0.02 * expected.loss);
  EXPECT_NEAR(report.grad_norm, expected.grad_norm, 0.03 * expected.grad_norm);
  // The first moments are a tenth of the gradients.
  const auto gradients = exact.SaveState(), found = rounded.SaveState();
  for (const auto& [name, tensor] : gradients) {
    if (!name.starts_with("adamw/exp_avg.")) continue;
    const double distance = (found.at(name) - tensor).norm().item<double>();
    EXPECT_LT(distance, 0.1 * tensor.norm().item<double>() + 1e-4) << name;
  }
  for (const auto& [name, tensor] : rounded.Weights()) {
    EXPECT_EQ(tensor.scalar_type(), at::kBFloat16) << name;
  }
}

TEST(LearnerOfADenseModel, WithoutMastersTheLossAndTheGradientAreThoseOfTheRoundedWeights) {
  for (const kernels::Numerics numerics :
       {kernels::Numerics::kFloat32, kernels::Numerics::kBf16Dot}) {
    const UpdateGolden golden("tiny_llama");
    LearnerOptions options = golden.Options(2048);
    options.numerics = numerics;
    policy::WeightMap rounded = golden.Start();
    for (auto& [name, tensor] : rounded) {
      if (tensor.dim() >= 2) tensor = tensor.to(at::kBFloat16).to(at::kFloat);
    }
    Learner exact(golden.model.config, rounded, options);
    options.optimizer.masters = false;
    Learner without(golden.model.config, golden.Start(), options);
    const UpdateReport expected = exact.SftUpdate(golden.Batch(0), 1e-3);
    const UpdateReport report = without.SftUpdate(golden.Batch(0), 1e-3);
    EXPECT_EQ(report.loss, expected.loss) << "a product's operands are widened exactly";
    EXPECT_NEAR(report.grad_norm, expected.grad_norm, 1e-3 * expected.grad_norm);
    // The first moments are a tenth of the gradients, which were rounded to bf16.
    const auto gradients = exact.SaveState(), found = without.SaveState();
    for (const auto& [name, tensor] : gradients) {
      if (!name.starts_with("adamw/exp_avg.")) continue;
      const double distance = (found.at(name) - tensor).norm().item<double>();
      EXPECT_LT(distance, tensor.norm().item<double>() / 256 + 1e-8) << name;
    }
  }
}

TEST(LearnerOfADenseModel, MixedPrecisionGivesTheLossAndTheGradientOfFp32WithinItsRounding) {
  const UpdateGolden golden("tiny_llama");
  LearnerOptions options = golden.Options(2048);
  Learner exact(golden.model.config, golden.Start(), options);
  const UpdateReport expected = exact.SftUpdate(golden.Batch(0), 1e-3);
  const auto gradients = exact.SaveState();
  for (const auto numerics : {kernels::Numerics::kBf16Dot, kernels::Numerics::kBf16Amx}) {
    SCOPED_TRACE(kernels::NumericsName(numerics));
    options.numerics = numerics;
    Learner mixed(golden.model.config, golden.Start(), options);
    const UpdateReport report = mixed.SftUpdate(golden.Batch(0), 1e-3);
    EXPECT_NE(report.loss, expected.loss);
    EXPECT_NEAR(report.loss, expected.loss, 0.005 * expected.loss);
    EXPECT_NEAR(report.grad_norm, expected.grad_norm, 0.02 * expected.grad_norm);
    const auto found = mixed.SaveState();
    for (const auto& [name, tensor] : gradients) {
      if (!name.starts_with("adamw/exp_avg.")) continue;
      const double distance = (found.at(name) - tensor).norm().item<double>();
      EXPECT_LT(distance, 0.03 * tensor.norm().item<double>() + 1e-5) << name;
    }
    for (const auto& [name, tensor] : mixed.Weights()) {
      EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
    }
  }
}

TEST(LearnerOfAMixtureOfExperts, SelectionBiasesStayFp32WhereTheRestIsBf16) {
  const UpdateGolden golden("tiny_moe");
  const Learner learner = Make(golden, at::kBFloat16);
  for (const auto& [name, tensor] : learner.Weights()) {
    const bool bias = name.ends_with("e_score_correction_bias");
    EXPECT_EQ(tensor.scalar_type(), bias ? at::kFloat : at::kBFloat16) << name;
  }
}

TEST(LearnerOfAMixtureOfExperts, Bf16LearnsWhatFp32Learns) {
  const UpdateGolden golden("tiny_moe");
  Learner exact = Make(golden, at::kFloat), rounded = Make(golden, at::kBFloat16);
  double first = 0, last = 0, exact_last = 0;
  for (int step = 0; step < 30; ++step) {
    last = rounded.SftUpdate(golden.Batch(0), 1e-3).loss;
    exact_last = exact.SftUpdate(golden.Batch(0), 1e-3).loss;
    if (step == 0) first = last;
  }
  EXPECT_LT(last, 0.8 * first);
  EXPECT_NEAR(last, exact_last, 0.05 * first);
}

}  // namespace
}  // namespace cohort::rl
