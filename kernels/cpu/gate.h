#pragma once

// The router of a mixture-of-experts layer: which experts a token goes to, and with what weights
// (DeepSeek-V3, arXiv 2412.19437, eq. 12-16; DeepSeek-V2, arXiv 2405.04434, section 2.2).

#include <cstdint>

namespace cohort::kernels {

struct Ops;

enum class GateScore { kSigmoid, kSoftmax };  // of the router's logits, over all experts
enum class GroupScore { kTopTwoSum, kMax };   // a group's rank among groups, over its experts

// The rule of a router, for all who route: configs, learner and decoder. The defaults are
// DeepSeek-V3's without groups.
struct GateRule {
  int64_t num_experts = 0;        // E, routed
  int64_t experts_per_token = 0;  // K
  GateScore score = GateScore::kSigmoid;
  // Experts 0 .. E / num_groups - 1 are group 0, and so on; only those of the groups_per_token best
  // groups are picked.
  int64_t num_groups = 1;
  int64_t groups_per_token = 1;
  GroupScore group_score = GroupScore::kTopTwoSum;
  bool normalize_weights = true;  // picked scores divided by their sum + 1e-20
  double routed_scaling = 1.0;    // then multiplied by this, in fp32

  bool operator==(const GateRule&) const = default;
};

// One token. logits[E]; bias[E], or null without one. The K experts with the largest score + bias
// are picked, largest first, ties (of experts and of groups) to the lowest index; their weights are
// the scores without the bias. std::invalid_argument for K not in 1..E or groups that do not divide
// the experts, are too small to rank, or hold fewer than K.
void PickExperts(const Ops& ops, const GateRule& rule, const float* logits, const float* bias,
                 int32_t* experts, float* weights);

}  // namespace cohort::kernels
