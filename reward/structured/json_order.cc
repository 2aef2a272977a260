#include "reward/structured/json_order.h"

#include <cmath>
#include <cstdlib>
#include <string>

namespace cohort::reward {
namespace {

using nlohmann::json;
using uint128 = unsigned __int128;

template <class T>
int Order(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

// Every 64-bit integer and every double is a long double.
static_assert(std::numeric_limits<long double>::digits >= 64);
long double Value(const json& number) {
  if (number.is_number_unsigned()) return static_cast<long double>(number.get<uint64_t>());
  if (number.is_number_integer()) return static_cast<long double>(number.get<int64_t>());
  return static_cast<long double>(number.get<double>());
}

int Kind(const json& value) {
  if (value.is_number()) return static_cast<int>(json::value_t::number_float);
  return static_cast<int>(value.type());
}

// digits * 10^exponent, without trailing zeros in the digits.
struct JsonDecimal {
  uint64_t digits = 0;
  int exponent = 0;
};

// From the shortest text that is read as the same number, which is what was written.
JsonDecimal JsonDecimalOf(const json& number) {
  JsonDecimal decimal;
  const std::string text = number.dump();
  bool fraction = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == 'e' || text[i] == 'E') {
      decimal.exponent += std::atoi(text.c_str() + i + 1);
      break;
    }
    if (text[i] == '.') fraction = true;
    if (text[i] < '0' || text[i] > '9') continue;
    decimal.digits = decimal.digits * 10 + static_cast<uint64_t>(text[i] - '0');
    if (fraction) --decimal.exponent;
  }
  while (decimal.digits != 0 && decimal.digits % 10 == 0) {
    decimal.digits /= 10;
    ++decimal.exponent;
  }
  return decimal;
}

}  // namespace

int CompareJson(const json& a, const json& b) {
  if (Kind(a) != Kind(b)) return Order(Kind(a), Kind(b));
  if (a.is_number()) return Order(Value(a), Value(b));
  if (!a.is_structured()) return Order(a, b);
  if (a.size() != b.size()) return Order(a.size(), b.size());
  auto right = b.begin();
  for (auto left = a.begin(); left != a.end(); ++left, ++right) {
    if (a.is_object() && left.key() != right.key()) return Order(left.key(), right.key());
    if (const int order = CompareJson(*left, *right); order != 0) return order;
  }
  return 0;
}

bool IsInteger(const json& number) {
  if (number.is_number_integer()) return true;
  const double value = number.get<double>();
  return std::trunc(value) == value;
}

bool IsMultipleOf(const json& number, const json& of) {
  const JsonDecimal value = JsonDecimalOf(number), divisor = JsonDecimalOf(of);
  if (value.digits == 0) return true;
  if (divisor.digits == 0) return false;
  int shift = value.exponent - divisor.exponent;
  uint64_t digits = value.digits;
  if (shift < 0) {  // value / 10^-shift must be whole
    if (digits % divisor.digits != 0) return false;
    for (digits /= divisor.digits; shift < 0 && digits % 10 == 0; ++shift) digits /= 10;
    return shift == 0;
  }
  uint128 rest = digits % divisor.digits;
  for (; shift > 0 && rest != 0; --shift) rest = rest * 10 % divisor.digits;
  return rest == 0;
}

}  // namespace cohort::reward
