#pragma once

// The training objective as data: proto::Objective, the knobs of
// rl/objectives/README.md. In a recipe a knob may be unset, where the preset decides. A resolved
// objective has every knob set, save dual_clip, whose absence switches it off, and max_length,
// which only constant_length needs. Every function that computes with an objective expects a
// resolved one.

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// A resolved objective, all of whose knobs are the preset's.
proto::Objective FromPreset(proto::Objective::Preset preset);

// The recipe's objective, with its preset's knobs where it has none of its own and
// rollout.max_new_tokens for a max_length that is unset. Errors: those of CheckObjective.
proto::Objective ResolveObjective(const proto::Recipe& recipe);

// Knobs that contradict each other: constant_length without max_length, kl_coef without kl.
// Errors: kUsage; kInternal for an objective that is not resolved.
void CheckObjective(const proto::Objective& resolved);

bool NeedsRefLogprobs(const proto::Objective& resolved);
bool NeedsRolloutLogprobs(const proto::Objective& resolved);

}  // namespace cohort::rl
