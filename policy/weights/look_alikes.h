#pragma once

// Which families a folder's tensors could be of, by their names alone.

#include <set>
#include <string>
#include <vector>

namespace cohort::policy {

// The families whose folders hold the most of `names` and the least beside them, whatever the
// layers and experts; several where their folders are alike.
std::vector<std::string> FamiliesNamedLike(const std::set<std::string>& names);

}  // namespace cohort::policy
