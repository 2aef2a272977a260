#pragma once

// Integers beyond 64 bits, as Python's have no bound. (GMP computes.)

#include <string>

#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {

// Reads digits with an optional sign, in a base from 2 to 36; gives an int64_t where it fits.
Value IntegerOf(const std::string& digits, int base = 10);

// a + b, a - b, a * b, a // b, a % b, a ** b of two integers (or bools) of any size. Throws
// TemplateError for a division by zero, and for a result of more than some 100,000 bits.
Value IntegerArithmetic(const std::string& op, const Value& a, const Value& b);

Value IntegerOf(double whole);  // truncated; finite

// Negative, 0, positive.
int CompareIntegers(const Value& a, const Value& b);

// Decimal digits of any integer or bool; the nearest double, which may be infinite.
std::string IntegerText(const Value& value);
double IntegerToDouble(const Value& value);

}  // namespace cohort::policy::jinja
