#pragma once

#include <nlohmann/json.hpp>

namespace cohort::reward {

// An order of JSON values in which those are equal that JSON Schema calls equal: 1 and 1.0, and
// objects whatever the order of their members. Numbers are compared exactly, integers above 2^53
// too; -1, 0 or 1. Values are at most some hundred deep.
int CompareJson(const nlohmann::json& a, const nlohmann::json& b);

// A number, of any size (base/exact_json.h).
bool IsNumber(const nlohmann::json& value);

// A number without a fraction: 1.0 is one.
bool IsInteger(const nlohmann::json& number);

// Whether `number` is a whole multiple of `of` > 0 as decimal numbers, as both were written: 0.3 is
// one of 0.1, although no binary fraction is.
bool IsMultipleOf(const nlohmann::json& number, const nlohmann::json& of);

}  // namespace cohort::reward
