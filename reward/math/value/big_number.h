#pragma once

// FLINT's and Arb's numbers as C++ values. Both libraries abort on a division by zero and when
// memory runs out: callers check divisors and sizes first.

#include <acb.h>
#include <flint/fmpq.h>

namespace cohort::reward::math {

// FLINT keeps caches for each thread; the first number a thread makes arranges that they are freed
// when it ends.
void UseFlintOnThisThread();

class Rational {
 public:
  Rational() {
    UseFlintOnThisThread();
    fmpq_init(value_);
  }
  Rational(const Rational& other) : Rational() { fmpq_set(value_, other.value_); }
  Rational& operator=(const Rational& other) {
    fmpq_set(value_, other.value_);
    return *this;
  }
  ~Rational() { fmpq_clear(value_); }

  fmpq* get() { return value_; }
  const fmpq* get() const { return value_; }
  fmpz* num() { return fmpq_numref(value_); }
  fmpz* den() { return fmpq_denref(value_); }
  const fmpz* num() const { return fmpq_numref(value_); }
  const fmpz* den() const { return fmpq_denref(value_); }
  bool IsInteger() const { return fmpz_is_one(den()) != 0; }
  bool IsZero() const { return fmpq_is_zero(value_) != 0; }
  int64_t Bits() const { return fmpz_bits(num()) + fmpz_bits(den()); }

 private:
  fmpq_t value_;
};

class Integer {
 public:
  Integer() {
    UseFlintOnThisThread();
    fmpz_init(value_);
  }
  Integer(const Integer&) = delete;
  Integer& operator=(const Integer&) = delete;
  ~Integer() { fmpz_clear(value_); }
  fmpz* get() { return value_; }

 private:
  fmpz_t value_;
};

// A complex ball.
class Ball {
 public:
  Ball() {
    UseFlintOnThisThread();
    acb_init(value_);
  }
  Ball(const Ball& other) : Ball() { acb_set(value_, other.value_); }
  Ball(Ball&& other) noexcept : Ball() { acb_swap(value_, other.value_); }
  Ball& operator=(const Ball& other) {
    acb_set(value_, other.value_);
    return *this;
  }
  ~Ball() { acb_clear(value_); }

  acb_struct* get() { return value_; }
  const acb_struct* get() const { return value_; }
  arb_struct* real() { return acb_realref(value_); }
  arb_struct* imag() { return acb_imagref(value_); }
  const arb_struct* real() const { return acb_realref(value_); }
  const arb_struct* imag() const { return acb_imagref(value_); }
  bool IsFinite() const { return acb_is_finite(value_) != 0; }
  bool IsReal() const { return acb_is_real(value_) != 0; }

 private:
  acb_t value_;
};

}  // namespace cohort::reward::math
