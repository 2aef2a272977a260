// tests/golden/rl/optimizer.json (made as objectives.md beside it says) holds torch.optim.AdamW's
// weights after clip_grad_norm_.

#include "rl/learner/adamw.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/counter_random.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"

namespace cohort::rl {
namespace {

using base::Json;

Json Golden() { return Json::parse(base::ReadFile(COHORT_GOLDEN_DIR "/rl/optimizer.json")); }

at::Tensor ToTensor(const Json& json) {
  if (!json[0].is_array()) return at::tensor(json.get<std::vector<double>>()).to(at::kFloat);
  std::vector<at::Tensor> rows;
  for (const Json& row : json) rows.push_back(ToTensor(row));
  return at::stack(rows);
}

struct TwoParameters {
  at::Tensor weight;
  at::Tensor bias;

  std::vector<NamedParameter> named() const { return {{"weight", weight}, {"bias", bias}}; }
  void SetGrads(const at::Tensor& weight_grad, const at::Tensor& bias_grad) {
    weight.mutable_grad() = weight_grad.clone();
    bias.mutable_grad() = bias_grad.clone();
  }
};

TwoParameters Start(uint64_t seed) {
  at::manual_seed(seed);
  return {at::randn({3, 40}).requires_grad_(true), at::randn({50}).requires_grad_(true)};
}

double Distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.detach() - b).abs().max().item<double>();
}

TEST(AdamW, AgreesWithTorchOptimAdamWAndClipGradNorm) {
  const Json golden = Golden();
  ASSERT_EQ(golden["runs"].size(), 3u);
  for (const Json& run : golden["runs"]) {
    TwoParameters parameters{ToTensor(run["start"][0]).requires_grad_(true),
                             ToTensor(run["start"][1]).requires_grad_(true)};
    AdamWOptions options;
    options.max_grad_norm = run["max_grad_norm"];
    options.weight_decay = run["weight_decay"];
    AdamW optimizer(parameters.named(), options);
    for (const Json& step : run["steps"]) {
      parameters.SetGrads(ToTensor(step["grads"][0]), ToTensor(step["grads"][1]));
      const OptimizerStep report = optimizer.Step(step["lr"]);
      EXPECT_NEAR(report.grad_norm, step["grad_norm"].get<double>(), 1e-5);
      EXPECT_LT(Distance(parameters.weight, ToTensor(step["weight"])), 1e-6);
      EXPECT_LT(Distance(parameters.bias, ToTensor(step["bias"])), 1e-6);
    }
    EXPECT_EQ(optimizer.steps(), 6);
  }
}

TEST(AdamW, OneStepIsTheFormula) {
  TwoParameters parameters = Start(1);
  const at::Tensor before = parameters.weight.detach().to(at::kDouble);
  const at::Tensor bias_before = parameters.bias.detach().to(at::kDouble);
  const at::Tensor grad = at::randn({3, 40}) * 1e-3;
  const at::Tensor bias_grad = at::randn({50}) * 1e-3;
  AdamWOptions options;
  options.max_grad_norm = 0;
  options.weight_decay = 0.3;
  AdamW optimizer(parameters.named(), options);
  parameters.SetGrads(grad, bias_grad);
  optimizer.Step(0.01);
  // After one step the bias corrections cancel: the update is g / (|g| + eps).
  const auto update = [](const at::Tensor& g) { return g / (g.abs() + 1e-8); };
  const at::Tensor expected = before * (1 - 0.01 * 0.3) - 0.01 * update(grad.to(at::kDouble));
  EXPECT_LT(Distance(parameters.weight.to(at::kDouble), expected), 1e-6);
  const at::Tensor no_decay = bias_before - 0.01 * update(bias_grad.to(at::kDouble));
  EXPECT_LT(Distance(parameters.bias.to(at::kDouble), no_decay), 1e-6);
}

TEST(AdamW, BiasesOfExpertsDoNotDecay) {
  const at::Tensor bias = at::ones({4, 6}).requires_grad_(true);
  const at::Tensor weight = at::ones({4, 6}).requires_grad_(true);
  AdamWOptions options;
  options.weight_decay = 0.5;
  AdamW optimizer({{"model.layers.0.mlp.experts.down_proj_bias", bias}, {"weight", weight}},
                  options);
  for (const at::Tensor& tensor : {bias, weight}) tensor.mutable_grad() = at::zeros({4, 6});
  optimizer.Step(0.1);
  EXPECT_TRUE(at::equal(bias.detach(), at::ones({4, 6})));
  EXPECT_LT(Distance(weight, at::full({4, 6}, 0.95)), 1e-6);
}

TEST(AdamW, AStateRoundTripContinuesBitForBit) {
  TwoParameters straight = Start(2);
  AdamW optimizer(straight.named(), AdamWOptions{});
  std::vector<std::pair<at::Tensor, at::Tensor>> grads;
  for (int i = 0; i < 6; ++i) grads.push_back({at::randn({3, 40}), at::randn({50})});
  TwoParameters resumed;
  std::map<std::string, at::Tensor> saved;
  for (size_t i = 0; i < grads.size(); ++i) {
    if (i == 3) {
      for (const auto& [name, tensor] : optimizer.State()) saved[name] = tensor.clone();
      resumed = {straight.weight.detach().clone().requires_grad_(true),
                 straight.bias.detach().clone().requires_grad_(true)};
    }
    straight.SetGrads(grads[i].first, grads[i].second);
    optimizer.Step(0.01);
  }
  AdamW second(resumed.named(), AdamWOptions{});
  second.LoadState(saved);
  EXPECT_EQ(second.steps(), 3);
  for (size_t i = 3; i < grads.size(); ++i) {
    resumed.SetGrads(grads[i].first, grads[i].second);
    second.Step(0.01);
  }
  EXPECT_TRUE(resumed.weight.equal(straight.weight));
  EXPECT_TRUE(resumed.bias.equal(straight.bias));
  for (const auto& [name, tensor] : optimizer.State()) {
    EXPECT_TRUE(second.State().at(name).equal(tensor)) << name;
  }
}

TEST(AdamW, AGradientThatIsNotFiniteSkipsTheWholeStepAndIsNamed) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    TwoParameters parameters = Start(3);
    AdamW optimizer(parameters.named(), AdamWOptions{});
    parameters.SetGrads(at::ones({3, 40}), at::ones({50}));
    optimizer.Step(0.1);
    const at::Tensor weight = parameters.weight.detach().clone();
    const at::Tensor moment = optimizer.State().at("exp_avg.weight").clone();
    at::Tensor bias_grad = at::ones({50});
    bias_grad[49] = bad;
    parameters.SetGrads(at::ones({3, 40}), bias_grad);
    const OptimizerStep report = optimizer.Step(0.1);
    EXPECT_THAT(report.skipped, testing::HasSubstr("gradient of bias is not finite"));
    EXPECT_TRUE(parameters.weight.equal(weight));
    EXPECT_TRUE(optimizer.State().at("exp_avg.weight").equal(moment));
    EXPECT_EQ(optimizer.steps(), 1);
    EXPECT_FALSE(parameters.weight.grad().defined());
  }
}

TEST(AdamW, AParameterWithoutAGradientIsLeftAlone) {
  TwoParameters parameters = Start(4);
  const at::Tensor bias = parameters.bias.detach().clone();
  AdamW optimizer(parameters.named(), AdamWOptions{});
  EXPECT_FALSE(optimizer.Step(0.1).skipped.empty());
  parameters.weight.mutable_grad() = at::ones({3, 40});
  EXPECT_TRUE(optimizer.Step(0.1).skipped.empty());
  EXPECT_TRUE(parameters.bias.equal(bias));
}

TEST(AdamW, AStateOfAnotherModelIsRefusedByName) {
  TwoParameters parameters = Start(5);
  AdamW optimizer(parameters.named(), AdamWOptions{});
  auto state = optimizer.State();
  const auto error_of = [&](const std::map<std::string, at::Tensor>& wrong) -> std::string {
    try {
      optimizer.LoadState(wrong);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  auto missing = state;
  missing.erase("exp_avg.bias");
  EXPECT_EQ(error_of(missing), "optimizer state: 'exp_avg.bias' is missing");
  auto extra = state;
  extra["exp_avg.head"] = at::zeros({1});
  EXPECT_EQ(error_of(extra), "optimizer state: 'exp_avg.head' is unexpected");
  state["exp_avg_sq.weight"] = at::zeros({40, 3});
  EXPECT_EQ(error_of(state), "optimizer state: 'exp_avg_sq.weight' has another shape or dtype");
}

TEST(AdamW, ParametersOfAnotherDtypeAreRefused) {
  EXPECT_THROW(AdamW({{"w", at::zeros({2}, at::kDouble)}}, AdamWOptions{}), Error);
}

// The master copies take what PyTorch's fp32 parameters become of the same bf16 gradients.
TEST(AdamW, Bf16ParametersAreTheirFp32MastersRounded) {
  const Json golden =
      Json::parse(base::ReadFile(COHORT_GOLDEN_DIR "/rl/updates.json"))["bf16_adamw"];
  const std::vector<at::Tensor> start = {ToTensor(golden["start"][0]),
                                         ToTensor(golden["start"][1])};
  TwoParameters parameters{start[0].to(at::kBFloat16).requires_grad_(true),
                           start[1].to(at::kBFloat16).requires_grad_(true)};
  AdamWOptions options;
  options.max_grad_norm = golden["max_grad_norm"];
  options.weight_decay = golden["weight_decay"];
  options.beta2 = 0.95;
  AdamW optimizer({{"weight", parameters.weight, start[0].clone()},
                   {"bias", parameters.bias, start[1].clone()}},
                  options);
  for (const Json& step : golden["steps"]) {
    parameters.SetGrads(ToTensor(step["grads"][0]).to(at::kBFloat16),
                        ToTensor(step["grads"][1]).to(at::kBFloat16));
    optimizer.AccumulateGradients();
    EXPECT_FALSE(parameters.weight.grad().defined());
    EXPECT_NEAR(optimizer.Step(step["lr"]).grad_norm, step["grad_norm"].get<double>(), 1e-5);
    const auto state = optimizer.State();
    EXPECT_LT(Distance(state.at("master.weight"), ToTensor(step["masters"][0])), 1e-6);
    EXPECT_LT(Distance(state.at("master.bias"), ToTensor(step["masters"][1])), 1e-6);
    EXPECT_TRUE(parameters.weight.equal(state.at("master.weight").to(at::kBFloat16)));
    EXPECT_TRUE(parameters.bias.equal(state.at("master.bias").to(at::kBFloat16)));
    EXPECT_LT(Distance(parameters.weight, ToTensor(step["parameters"][0])), 1e-6);
  }
}

// A thousand bf16 gradients of 1 added up in bf16 would stay at 256.
TEST(AdamW, GradientsOfBf16ParametersAddUpInSinglePrecision) {
  const at::Tensor weight = at::ones({1}, at::kBFloat16).requires_grad_(true);
  AdamWOptions options;
  options.max_grad_norm = 0;
  AdamW optimizer({{"weight", weight}}, options);
  for (int i = 0; i < 1000; ++i) {
    weight.mutable_grad() = at::ones({1}, at::kBFloat16);
    optimizer.AccumulateGradients();
  }
  EXPECT_EQ(optimizer.Step(0.01).grad_norm, 1000);
}

// Steps too small for bf16 to hold: each is less than half the distance to the next value.
TEST(AdamW, SmallStepsAddUpInTheMaster) {
  const at::Tensor weight = at::ones({1}, at::kBFloat16).requires_grad_(true);
  AdamW optimizer({{"weight", weight}}, AdamWOptions{});
  for (int i = 0; i < 20; ++i) {
    weight.mutable_grad() = at::ones({1}, at::kBFloat16);
    optimizer.AccumulateGradients();
    optimizer.Step(1e-3);
  }
  EXPECT_NEAR(optimizer.State().at("master.weight").item<double>(), 0.98, 1e-5);
  EXPECT_NEAR(weight.item<double>(), 0.98, 1.0 / 512);
}

TEST(AdamW, AStateWithMastersContinuesBitForBit) {
  const auto parameter = [](const at::Tensor& values) {
    return values.clone().requires_grad_(true);
  };
  at::manual_seed(6);
  const at::Tensor weight = parameter(at::randn({3, 40}).to(at::kBFloat16));
  AdamW optimizer({{"weight", weight}}, AdamWOptions{});
  const auto step = [](AdamW& stepped, const at::Tensor& tensor, const at::Tensor& gradient) {
    tensor.mutable_grad() = gradient.clone();
    stepped.AccumulateGradients();
    stepped.Step(0.001);
  };
  step(optimizer, weight, at::randn({3, 40}).to(at::kBFloat16));
  const at::Tensor resumed = parameter(at::zeros({3, 40}, at::kBFloat16));
  AdamW second({{"weight", resumed}}, AdamWOptions{});
  second.LoadState(optimizer.State());
  EXPECT_TRUE(resumed.equal(weight));
  const at::Tensor gradient = at::randn({3, 40}).to(at::kBFloat16);
  step(optimizer, weight, gradient);
  step(second, resumed, gradient);
  EXPECT_TRUE(resumed.equal(weight));
  EXPECT_TRUE(second.State().at("master.weight").equal(optimizer.State().at("master.weight")));
}

AdamWOptions InBf16() {
  AdamWOptions options;
  options.bf16_moments = true;
  return options;
}

std::map<std::string, at::Tensor> Copies(const AdamW& optimizer) {
  std::map<std::string, at::Tensor> copies;
  for (const auto& [name, tensor] : optimizer.State()) copies[name] = tensor.clone();
  return copies;
}

TEST(AdamW, Bf16MomentsOfAStateContinueBitForBit) {
  TwoParameters straight = Start(8), resumed = Start(9);
  AdamW optimizer(straight.named(), InBf16()), second(resumed.named(), InBf16());
  for (int step = 0; step < 8; ++step) {
    if (step == 4) {
      second.LoadState(Copies(optimizer));
      const at::NoGradGuard no_grad;
      resumed.weight.copy_(straight.weight);
      resumed.bias.copy_(straight.bias);
    }
    const at::Tensor of_weight = at::randn({3, 40}), of_bias = at::randn({50});
    straight.SetGrads(of_weight, of_bias);
    optimizer.Step(0.01);
    if (step < 4) continue;
    resumed.SetGrads(of_weight, of_bias);
    second.Step(0.01);
  }
  EXPECT_TRUE(resumed.weight.equal(straight.weight));
  EXPECT_TRUE(resumed.bias.equal(straight.bias));
  for (const auto& [name, tensor] : optimizer.State()) {
    EXPECT_TRUE(second.State().at(name).equal(tensor)) << name;
    EXPECT_EQ(tensor.scalar_type(), name == "step" ? at::kLong : at::kBFloat16) << name;
  }
}

// The element's place among all moments is the counter, the step is the key.
TEST(AdamW, Bf16MomentsAreRoundedByTheDrawsOfTheStep) {
  TwoParameters parameters = Start(10);
  AdamWOptions options = InBf16();
  options.max_grad_norm = 0;
  AdamW optimizer(parameters.named(), options);
  const at::Tensor of_bias = at::randn({50});
  parameters.SetGrads(at::randn({3, 40}), of_bias);
  optimizer.Step(0.01);
  const at::Tensor stored = optimizer.State().at("exp_avg.bias");
  for (int64_t i = 0; i < 50; ++i) {
    const auto place = static_cast<uint32_t>(i + 128);  // 120 elements of the weight before it
    const uint32_t counter = place / 64 * 16 + place % 16;
    const uint32_t word = base::Philox4x32({counter, 0, 0, 0}, {1, 0})[place % 64 / 16];
    const float moment = static_cast<float>(1 - 0.9) * of_bias[i].item<float>();
    const uint32_t rounded = (std::bit_cast<uint32_t>(moment) + (word & 0xffff)) & 0xffff0000;
    EXPECT_EQ(stored[i].item<float>(), std::bit_cast<float>(rounded)) << i;
  }
}

// A noisy bowl, whose bottom is 0: both end near it alike.
TEST(AdamW, Bf16MomentsLearnAsWellAsSinglePrecision) {
  std::vector<double> ends;
  for (const AdamWOptions& options : {AdamWOptions{}, InBf16()}) {
    at::manual_seed(11);
    const at::Tensor weight = at::full({1000}, 3.0).requires_grad_(true);
    AdamW optimizer({{"weight", weight}}, options);
    for (int step = 0; step < 600; ++step) {
      weight.mutable_grad() = weight.detach() + at::randn({1000});
      optimizer.Step(0.01);
    }
    ends.push_back(weight.detach().square().mean().item<double>());
  }
  EXPECT_LT(ends[0], 0.05);
  EXPECT_NEAR(ends[1] / ends[0], 1, 0.1);
}

TEST(AdamW, AStateGoesOnWithMomentsOfTheOtherDtype) {
  for (const bool to_bf16 : {false, true}) {
    TwoParameters parameters = Start(12), resumed = Start(12);
    AdamW optimizer(parameters.named(), to_bf16 ? AdamWOptions{} : InBf16());
    parameters.SetGrads(at::randn({3, 40}), at::randn({50}));
    optimizer.Step(0.01);
    AdamW second(resumed.named(), to_bf16 ? InBf16() : AdamWOptions{});
    second.LoadState(optimizer.State());
    for (const auto& [name, tensor] : optimizer.State()) {
      const at::Tensor own = second.State().at(name);
      EXPECT_TRUE(own.equal(tensor.to(own.scalar_type()))) << name;
    }
    auto integers = Copies(optimizer);
    integers["exp_avg.bias"] = integers["exp_avg.bias"].to(at::kLong);
    EXPECT_THROW(second.LoadState(integers), Error);
  }
}

TEST(AdamW, Bf16MomentsAreRefusedWhereNothingRoundsThem) {
  const at::Tensor elsewhere = at::empty({2}, at::TensorOptions(at::kMeta).dtype(at::kFloat));
  try {
    AdamW({{"w", elsewhere}}, InBf16());
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "moments in bfloat16 need a CPU, the policy is on meta");
  }
}

TEST(AdamW, AResetForgetsTheMomentsAndKeepsTheMasters) {
  TwoParameters parameters = Start(7), fresh;
  AdamW optimizer(parameters.named(), AdamWOptions{});
  parameters.SetGrads(at::ones({3, 40}), at::ones({50}));
  optimizer.Step(0.1);
  fresh = {parameters.weight.detach().clone().requires_grad_(true),
           parameters.bias.detach().clone().requires_grad_(true)};
  AdamW anew(fresh.named(), AdamWOptions{});
  optimizer.Reset();
  EXPECT_EQ(optimizer.steps(), 0);
  for (TwoParameters* both : {&parameters, &fresh}) {
    both->SetGrads(at::full({3, 40}, 0.5), at::full({50}, -0.5));
  }
  optimizer.Step(0.1);
  anew.Step(0.1);
  EXPECT_TRUE(parameters.weight.equal(fresh.weight));
  EXPECT_TRUE(parameters.bias.equal(fresh.bias));

  const at::Tensor rounded = at::ones({2}, at::kBFloat16).requires_grad_(true);
  AdamW with_masters({{"w", rounded, at::full({2}, 1.001)}}, AdamWOptions{});
  with_masters.Reset();
  EXPECT_TRUE(with_masters.State().at("master.w").equal(at::full({2}, 1.001)));
}

}  // namespace
}  // namespace cohort::rl
