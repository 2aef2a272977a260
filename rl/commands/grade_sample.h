#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "reward/grader.h"

namespace cohort::rl {

// A text, or the number or list that a dataset wrote in place of one; nothing for null.
std::string TextOf(const nlohmann::json& value);

// A line of a run's samples.jsonl as a sample: "completion" is a whole response, "answer" the
// reference, "columns" holds columns, as does every field that a run does not write itself. "pred"
// will do for "completion". Errors: kUsage when there is nothing to grade.
reward::Sample RecordToSample(const nlohmann::json& record);

// A line of `cohort grade` as a sample: "pred" is a whole response, "answer" an extracted one,
// "code" a bare program; "gold" is the reference; every other field is a column. A line with a
// "completion" is one of samples.jsonl. The id is not set. Errors: kUsage when there is nothing to
// grade.
reward::Sample ToSample(const nlohmann::json& row);

}  // namespace cohort::rl
