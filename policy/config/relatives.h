#pragma once

// Model types that are not supported, and the family whose mathematics is nearest to each.

#include <span>
#include <string>

namespace cohort::policy {

struct Relative {
  const char* model_type;
  const char* nearest;     // a family of policy/config/family.h
  const char* difference;  // of the former, as a sentence goes on after "but"
};

std::span<const Relative> Relatives();

// The one of that name, however it is spelt; null where there is none.
const Relative* FindRelative(const std::string& model_type);

// A name without capitals and punctuation: what spellings of one name have in common.
std::string LettersOf(const std::string& name);

}  // namespace cohort::policy
