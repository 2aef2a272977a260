#include "kernels/cpu/gate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/cpu/gate_weights.h"
#include "kernels/cpu/ops.h"

namespace cohort::kernels {

namespace {

void CheckRule(const GateRule& rule) {
  if (rule.experts_per_token < 1 || rule.experts_per_token > rule.num_experts) {
    throw std::invalid_argument("PickExperts: K is not in 1..E");
  }
  if (rule.num_groups == 1) return;
  const int64_t size = rule.num_groups < 1 ? 0 : rule.num_experts / rule.num_groups;
  const bool fits = size >= (rule.group_score == GroupScore::kTopTwoSum ? 2 : 1) &&
                    rule.num_experts % rule.num_groups == 0 && rule.groups_per_token >= 1 &&
                    rule.groups_per_token <= rule.num_groups &&
                    rule.experts_per_token <= rule.groups_per_token * size;
  if (!fits) throw std::invalid_argument("PickExperts: the groups do not fit the experts");
}

// The largest value that is not in picked[0 .. count); the lowest index among equals.
int32_t Largest(const std::vector<float>& values, const int32_t* picked, int64_t count) {
  size_t best = values.size();
  for (size_t i = 0; i < values.size(); ++i) {
    const bool taken = std::find(picked, picked + count, static_cast<int32_t>(i)) != picked + count;
    if (!taken && (best == values.size() || values[i] > values[best])) best = i;
  }
  return static_cast<int32_t>(best);
}

float RankOfGroup(GroupScore kind, const float* choice, int64_t size) {
  float first = choice[0], second = -std::numeric_limits<float>::infinity();
  for (int64_t i = 1; i < size; ++i) {
    second = std::max(second, std::min(first, choice[i]));
    first = std::max(first, choice[i]);
  }
  return kind == GroupScore::kMax ? first : first + second;
}

// -inf for the experts of the other groups: 0 would beat a biased score below 0.
void KeepBestGroups(const GateRule& rule, std::vector<float>& choice) {
  const int64_t size = rule.num_experts / rule.num_groups;
  thread_local std::vector<float> ranks;
  thread_local std::vector<int32_t> kept;
  ranks.resize(static_cast<size_t>(rule.num_groups));
  kept.resize(static_cast<size_t>(rule.groups_per_token));
  for (size_t group = 0; group < ranks.size(); ++group) {
    const float* first = choice.data() + static_cast<int64_t>(group) * size;
    ranks[group] = RankOfGroup(rule.group_score, first, size);
  }
  for (size_t i = 0; i < kept.size(); ++i) {
    kept[i] = Largest(ranks, kept.data(), static_cast<int64_t>(i));
  }
  for (int64_t group = 0; group < rule.num_groups; ++group) {
    if (std::find(kept.begin(), kept.end(), static_cast<int32_t>(group)) != kept.end()) continue;
    std::fill_n(choice.begin() + group * size, size, -std::numeric_limits<float>::infinity());
  }
}

}  // namespace

void PickExperts(const Ops& ops, const GateRule& rule, const float* logits, const float* bias,
                 int32_t* experts, float* weights) {
  CheckRule(rule);
  thread_local std::vector<float> scores, choice;
  scores.resize(static_cast<size_t>(rule.num_experts));
  ScoreExperts(ops, rule, logits, scores.data());
  choice = scores;
  if (bias != nullptr) {
    for (size_t e = 0; e < choice.size(); ++e) choice[e] += bias[e];
  }
  if (rule.num_groups > 1) KeepBestGroups(rule, choice);
  for (int64_t k = 0; k < rule.experts_per_token; ++k) {
    experts[k] = Largest(choice, experts, k);
  }
  WeighExperts(rule, scores.data(), experts, weights);
}

}  // namespace cohort::kernels
