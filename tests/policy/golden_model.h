#pragma once

// The folders under tests/golden/policy, written by transformers (see the README.md there).

#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "policy/model.h"
#include "policy/transformer/ops/logprobs.h"
#include "policy/transformer/transformer.h"
#include "policy/weights/huggingface_weights.h"
#include "policy/weights/safetensors.h"

namespace cohort::policy {

struct GoldenModel {
  std::filesystem::path folder;
  ModelConfig config;
  WeightMap weights;
  std::map<std::string, at::Tensor> expected;
  std::vector<std::vector<int32_t>> sequences;
};

inline GoldenModel ReadGoldenModel(const std::string& name) {
  GoldenModel golden;
  golden.folder = std::filesystem::path(COHORT_GOLDEN_DIR) / "policy" / name;
  golden.config = WithoutMtpLayers(ReadConfig(golden.folder / "config.json"));
  golden.weights = HuggingFaceWeights(golden.folder, golden.config, Dtype::kFloat32).TakeAll();
  const SafetensorsFile file(golden.folder / "expected.safetensors");
  for (const auto& [key, entry] : file.entries()) {
    const at::Tensor values = at::empty(entry.shape);
    // ids and lengths are stored as fp32 too: small whole numbers, exact.
    file.ReadInto(key, values);
    golden.expected[key] = values;
  }
  const at::Tensor ids = golden.expected.at("ids");
  int64_t first = 0;
  for (int64_t s = 0; s < golden.expected.at("lengths").size(0); ++s) {
    const auto length = golden.expected.at("lengths")[s].item<int64_t>();
    golden.sequences.emplace_back();
    for (int64_t i = first; i < first + length; ++i) {
      golden.sequences.back().push_back(ids[i].item<int32_t>());
    }
    first += length;
  }
  return golden;
}

// Without a tokenizer.
inline Model ModelOf(const GoldenModel& golden) {
  Model model;
  model.config = golden.config;
  model.weights = golden.weights;
  return model;
}

// Row t of the pack predicts the token after it: rows that have one, and those tokens.
struct NextTokens {
  at::Tensor rows_N;
  at::Tensor targets_N;
};

inline NextTokens FindNextTokens(const PackedTokens& tokens) {
  std::vector<int64_t> rows;
  for (const Segment& segment : tokens.segments) {
    for (int64_t i = 0; i + 1 < segment.length; ++i) rows.push_back(segment.first + i);
  }
  const at::Tensor index = torch::tensor(rows, at::kLong);
  return {index, tokens.ids_T.index_select(0, index + 1)};
}

inline Transformer MakeTransformer(const ModelConfig& config, const WeightMap& weights) {
  Transformer policy(config);
  policy->LoadWeights(weights);
  return policy;
}

// Logprobs of the golden's sequences at temperature 1, by a model that may be another one.
inline at::Tensor GoldenLogprobs(const GoldenModel& golden, const ModelConfig& config,
                                 const WeightMap& weights) {
  const at::NoGradGuard no_grad;
  Transformer policy = MakeTransformer(config, weights);
  const PackedTokens tokens = Pack(golden.sequences);
  const NextTokens next = FindNextTokens(tokens);
  return ComputeTokenLogprobs(policy(tokens).index_select(0, next.rows_N), policy->head(),
                              next.targets_N, 1.0)
      .logprobs_N;
}

inline double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

// max |a - b| / max |b|
inline double RelativeDifference(const at::Tensor& a, const at::Tensor& b) {
  return LargestDifference(a, b) / (b.to(at::kDouble).abs().max().item<double>() + 1e-30);
}

}  // namespace cohort::policy
