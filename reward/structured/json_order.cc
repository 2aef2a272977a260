#include "reward/structured/json_order.h"

#include <cmath>
#include <cstdlib>
#include <string>

#include "base/exact_json.h"

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
  if (const auto digits = base::BigIntegerDigits(number)) {
    return std::strtold(digits->c_str(), nullptr);
  }
  if (number.is_number_unsigned()) return static_cast<long double>(number.get<uint64_t>());
  if (number.is_number_integer()) return static_cast<long double>(number.get<int64_t>());
  return static_cast<long double>(number.get<double>());
}

// Compares integers beyond 64 bits.
int OrderDigits(const std::string& a, const std::string& b) {
  const bool negative = a[0] == '-';
  if (negative != (b[0] == '-')) return negative ? -1 : 1;
  const int size = Order(a.size(), b.size());  // without leading zeros, as JSON has them
  const int order = size != 0 ? size : Order(a, b);
  return negative ? -order : order;
}

int OrderNumbers(const json& a, const json& b) {
  const auto left = base::BigIntegerDigits(a), right = base::BigIntegerDigits(b);
  return left && right ? OrderDigits(*left, *right) : Order(Value(a), Value(b));
}

int Kind(const json& value) {
  if (IsNumber(value)) return static_cast<int>(json::value_t::number_float);
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

// Works on an integer's digits, digit by digit.
bool IsMultipleOf(std::string number, const JsonDecimal& divisor) {
  number.erase(0, number.find_first_not_of('-'));
  if (divisor.exponent > 0) {
    const size_t whole = number.find_last_not_of('0') + 1;
    const auto zeros = static_cast<size_t>(divisor.exponent);
    if (number.size() - whole < zeros) return false;
    number.resize(number.size() - zeros);
  } else {
    number.append(static_cast<size_t>(-divisor.exponent), '0');
  }
  uint128 rest = 0;
  for (const char digit : number) {
    rest = (rest * 10 + static_cast<uint128>(digit - '0')) % divisor.digits;
  }
  return rest == 0;
}

}  // namespace

int CompareJson(const json& a, const json& b) {
  if (Kind(a) != Kind(b)) return Order(Kind(a), Kind(b));
  if (IsNumber(a)) return OrderNumbers(a, b);
  if (!a.is_structured()) return Order(a, b);
  if (a.size() != b.size()) return Order(a.size(), b.size());
  auto right = b.begin();
  for (auto left = a.begin(); left != a.end(); ++left, ++right) {
    if (a.is_object() && left.key() != right.key()) return Order(left.key(), right.key());
    if (const int order = CompareJson(*left, *right); order != 0) return order;
  }
  return 0;
}

bool IsNumber(const json& value) {
  return value.is_number() || base::BigIntegerDigits(value).has_value();
}

bool IsInteger(const json& number) {
  if (!number.is_number_float()) return true;
  const double value = number.get<double>();
  return std::trunc(value) == value;
}

bool IsMultipleOf(const json& number, const json& of) {
  const JsonDecimal divisor = JsonDecimalOf(of);
  if (const auto digits = base::BigIntegerDigits(number)) {
    return divisor.digits != 0 && IsMultipleOf(*digits, divisor);
  }
  const JsonDecimal value = JsonDecimalOf(number);
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
