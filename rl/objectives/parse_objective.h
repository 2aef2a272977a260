#pragma once

// An objective of `cohort objective`, in JSON. Names, kinds and ranges are those of recipe.proto.

#include <nlohmann/json_fwd.hpp>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// {"preset": NAME, knob: value, ...} as a resolved objective; "dual_clip": null switches a preset's
// dual clip off. Errors: kUsage naming objective.knob: an unknown preset or knob (with the nearest
// name), a value of the wrong type or out of range. Whether the knobs go together is
// CheckObjective's to say.
proto::Objective ParseObjective(const nlohmann::json& json);

}  // namespace cohort::rl
