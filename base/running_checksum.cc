#include "base/running_checksum.h"

#include <xxhash.h>

#include <new>

namespace cohort::base {

RunningChecksum::RunningChecksum() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(state_);
}

RunningChecksum::~RunningChecksum() { XXH3_freeState(state_); }

void RunningChecksum::Add(std::string_view piece) {
  XXH3_64bits_update(state_, piece.data(), piece.size());
}

uint64_t RunningChecksum::value() const { return XXH3_64bits_digest(state_); }

}  // namespace cohort::base
