#include "reward/math/value/big_number.h"

namespace cohort::reward::math {

void UseFlintOnThisThread() {
  struct Cleaner {
    ~Cleaner() { flint_cleanup(); }
  };
  thread_local const Cleaner cleaner;
  static_cast<void>(cleaner);
}

}  // namespace cohort::reward::math
