#pragma once

// tests/golden/rl/updates.json and updates_MODEL.safetensors: what PyTorch computes in fp64 (see
// updates.md there).

#include <string>
#include <vector>

#include "base/durable_file.h"
#include "base/json_lines.h"
#include "rl/learner/learner.h"
#include "rl/objectives/objective.h"
#include "rl/objectives/policy_loss.h"
#include "tests/policy/golden_model.h"

namespace cohort::rl {

// PyTorch's own fp32 run of the same script is up to 9e-7 from its fp64 run; the updates move
// weights by up to 1.5e-2.
constexpr double kWeightTolerance = 5e-6;

inline std::vector<TrainingSequence> ReadSequences(const base::Json& json) {
  std::vector<TrainingSequence> sequences;
  for (const base::Json& one : json) {
    TrainingSequence& sequence = sequences.emplace_back();
    sequence.ids = one.at("ids").get<std::vector<int32_t>>();
    sequence.prompt_length = one.at("prompt_length");
    sequence.advantage = one.value("advantage", 0.0);
    sequence.loss_mask = one.value("loss_mask", std::vector<uint8_t>());
  }
  return sequences;
}

struct UpdateGolden {
  explicit UpdateGolden(const std::string& name)
      : name(name), model(policy::ReadGoldenModel(name)) {}

  // Sequences of the first and of the second update.
  std::vector<TrainingSequence> Batch(size_t update) const {
    return ReadSequences(all.at("policy").at(name).at("batches")[update]);
  }
  const base::Json& Report(size_t update) const {
    return all.at("policy").at(name).at("reports")[update];
  }
  double LearningRate(size_t update) const { return all.at("learning_rates")[update]; }

  LearnerOptions Options(int64_t max_tokens) const {
    LearnerOptions options;
    options.optimizer = {all.at("beta1"), all.at("beta2"), all.at("epsilon"),
                         all.at("weight_decay"), all.at("max_grad_norm")};
    options.max_tokens_per_microbatch = max_tokens;
    options.routing.selection_bias_rate = all.at("selection_bias_rate");
    options.sampling_temperature = all.at("temperature");
    return options;
  }
  policy::WeightMap Start() const {
    policy::WeightMap weights;
    for (const auto& [key, tensor] : model.weights) weights[key] = tensor.clone();
    return weights;
  }
  // The weights after the updates named "policy" or "sft".
  policy::WeightMap After(const std::string& updates) const {
    const policy::SafetensorsFile file(std::filesystem::path(COHORT_GOLDEN_DIR) / "rl" /
                                       ("updates_" + name + ".safetensors"));
    policy::WeightMap weights;
    for (const auto& [key, entry] : file.entries()) {
      if (!key.starts_with(updates + ".")) continue;
      const at::Tensor values = at::empty(entry.shape);
      file.ReadInto(key, values);
      weights[key.substr(updates.size() + 1)] = values;
    }
    return weights;
  }

  std::string name;
  policy::GoldenModel model;
  base::Json all = base::Json::parse(base::ReadFile(COHORT_GOLDEN_DIR "/rl/updates.json"));
};

// GRPO as the golden has it: clip 0.2, k3 with 0.04, a mean over samples of means over tokens.
inline PolicyObjective Grpo() {
  return MakePolicyObjective(FromPreset(proto::Objective::PRESET_GRPO));
}

inline void ExpectWeights(const policy::WeightMap& weights, const policy::WeightMap& expected,
                          double tolerance) {
  ASSERT_EQ(weights.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(weights.contains(name)) << name;
    EXPECT_LT(policy::LargestDifference(weights.at(name), tensor), tolerance) << name;
  }
}

inline void ExpectSameBits(const policy::WeightMap& a, const policy::WeightMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) EXPECT_TRUE(tensor.equal(b.at(name))) << name;
}

inline policy::WeightMap Copied(const policy::WeightMap& weights) {
  policy::WeightMap copies;
  for (const auto& [name, tensor] : weights) copies[name] = tensor.clone();
  return copies;
}

}  // namespace cohort::rl
