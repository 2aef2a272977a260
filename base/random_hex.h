#pragma once

#include <cstddef>
#include <string>

namespace cohort::base {

// `bytes` random bytes of the kernel's (getrandom) as twice as many hex digits: names that nobody
// else has or guesses, and secrets. No result depends on them (counter_random.h is for those).
std::string RandomHex(size_t bytes);

}  // namespace cohort::base
