#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "reward/grader.h"

namespace cohort::rl {

// A text, or the number or list that a dataset wrote in place of one; nothing for null.
std::string TextOf(const nlohmann::json& value);

// A line of `cohort grade` as a sample: "pred" is a whole response, "answer" an extracted one,
// "code" a bare program; "gold" is the reference; every other field is a column. The id is not set.
// Errors: kUsage when there is nothing to grade.
reward::Sample ToSample(const nlohmann::json& row);

}  // namespace cohort::rl
