#pragma once

// Questions that mathematics leaves open; each is a named option of the reward `math`.

namespace cohort::reward::math {

struct Conventions {
  // The largest relative difference when one side is written as a decimal; zero equals only zero.
  double rel_tol = 1.5e-6;
  // A percent sign on one side only: 50% is 0.5, and 50 as well.
  bool percent = true;
  // A unit on one side only is ignored; two known units convert.
  bool units = true;
  // Bare comma lists are unordered and may repeat items.
  bool unordered_lists = true;
  // x = 5 equals 5; f(x) = x^2 equals x^2.
  bool assignments = true;
  // x > 3 equals (3, inf).
  bool relation_sets = true;
  // A column or row equals the tuple of its entries.
  bool vectors = true;
  // "1,5" is 1.5 where the other side is a decimal.
  bool decimal_comma = true;
  // "forty-two" equals 42.
  bool number_words = true;
};

}  // namespace cohort::reward::math
