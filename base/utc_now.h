#pragma once

#include <string>

namespace cohort::base {

// The time of day in UTC as ISO 8601 has it: "2026-01-31T23:59:59Z".
std::string UtcNow();

}  // namespace cohort::base
