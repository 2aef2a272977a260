#pragma once

// The files that a run reads besides its recipe, so that a resumed one notices that they changed.

#include <map>
#include <string>
#include <vector>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// "data.train (problems.jsonl)" -> checksum (XXH3-64, hexadecimal), for data.train, data.test, the
// files that rewards' options name, and config, tokenizer, template and weights of the model.
// Files that are not there are left out: whoever reads them says so.
using InputChecksums = std::map<std::string, std::string>;
InputChecksums ChecksumInputs(const proto::Recipe& recipe);

// The keys of the inputs that both have and that differ. Those of rewards may change on request.
std::vector<std::string> ChangedInputs(const InputChecksums& before, const InputChecksums& now);
bool IsRewardInput(const std::string& key);

}  // namespace cohort::rl
