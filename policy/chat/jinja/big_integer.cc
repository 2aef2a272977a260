#include "policy/chat/jinja/big_integer.h"

#include <gmp.h>

#include <cmath>

namespace cohort::policy::jinja {
namespace {

constexpr size_t kMaxBits = 100'000;

class GmpInteger {
 public:
  GmpInteger() { mpz_init(value_); }
  explicit GmpInteger(const Value& value) {
    mpz_init(value_);
    if (const auto* big = std::get_if<std::shared_ptr<const BigInteger>>(&value.data)) {
      mpz_set_str(value_, (*big)->digits.c_str(), 10);
    } else {
      mpz_set_si(value_, value.ToInteger());
    }
  }
  GmpInteger(const GmpInteger&) = delete;
  GmpInteger& operator=(const GmpInteger&) = delete;
  ~GmpInteger() { mpz_clear(value_); }

  mpz_ptr get() { return value_; }

  std::string Text() {
    std::string text(mpz_sizeinbase(value_, 10) + 2, '\0');
    mpz_get_str(text.data(), 10, value_);
    text.resize(std::char_traits<char>::length(text.c_str()));
    return text;
  }

  Value ToValue() {
    static_assert(sizeof(long) == sizeof(int64_t));
    if (mpz_fits_slong_p(value_) != 0) return int64_t{mpz_get_si(value_)};
    if (mpz_sizeinbase(value_, 2) > kMaxBits) throw TemplateError{"an integer is too large"};
    return Value(BigInteger{Text()});
  }

 private:
  mpz_t value_;
};

void Power(GmpInteger* base, GmpInteger* exponent, GmpInteger* result) {
  const size_t bits = mpz_sizeinbase(base->get(), 2);
  const bool small = mpz_cmpabs_ui(base->get(), 1) <= 0;
  if (small && mpz_sgn(exponent->get()) != 0) {
    const bool even = mpz_even_p(exponent->get()) != 0;
    mpz_set(result->get(), base->get());
    if (even) mpz_mul(result->get(), result->get(), base->get());
    return;
  }
  if (mpz_fits_ulong_p(exponent->get()) == 0 ||
      mpz_get_ui(exponent->get()) > kMaxBits / std::max<size_t>(bits, 1) + 1) {
    throw TemplateError{"an integer is too large"};
  }
  mpz_pow_ui(result->get(), base->get(), mpz_get_ui(exponent->get()));
}

}  // namespace

Value IntegerOf(const std::string& digits, int base) {
  GmpInteger integer;
  const size_t plus = digits.starts_with('+') ? 1 : 0;
  if (digits.size() > kMaxBits / 3 ||
      mpz_set_str(integer.get(), digits.c_str() + plus, base) != 0) {
    throw TemplateError{"'" + digits.substr(0, 40) + "' is no integer of base " +
                        std::to_string(base)};
  }
  return integer.ToValue();
}

Value IntegerOf(double whole) {
  GmpInteger integer;
  mpz_set_d(integer.get(), std::trunc(whole));
  return integer.ToValue();
}

Value IntegerArithmetic(const std::string& op, const Value& a, const Value& b) {
  GmpInteger left(a), right(b), result;
  if (op == "+") {
    mpz_add(result.get(), left.get(), right.get());
  } else if (op == "-") {
    mpz_sub(result.get(), left.get(), right.get());
  } else if (op == "*") {
    mpz_mul(result.get(), left.get(), right.get());
  } else if (op == "**") {
    Power(&left, &right, &result);
  } else {
    if (mpz_sgn(right.get()) == 0) throw TemplateError{"division by zero"};
    if (op == "//") {
      mpz_fdiv_q(result.get(), left.get(), right.get());
    } else {
      mpz_fdiv_r(result.get(), left.get(), right.get());
    }
  }
  return result.ToValue();
}

int CompareIntegers(const Value& a, const Value& b) {
  return mpz_cmp(GmpInteger(a).get(), GmpInteger(b).get());
}

std::string IntegerText(const Value& value) { return GmpInteger(value).Text(); }

double IntegerToDouble(const Value& value) {
  // GMP truncates; the decimal text is rounded to nearest.
  return std::strtod(IntegerText(value).c_str(), nullptr);
}

}  // namespace cohort::policy::jinja
