#pragma once

#include <cstdint>
#include <string_view>

struct XXH3_state_s;

namespace cohort::base {

// Checksum (base/durable_file.h) of bytes that come in pieces, so that whoever has a piece at hand
// need not read it again.
class RunningChecksum {
 public:
  RunningChecksum();
  ~RunningChecksum();
  RunningChecksum(const RunningChecksum&) = delete;
  RunningChecksum& operator=(const RunningChecksum&) = delete;

  void Add(std::string_view piece);
  uint64_t value() const;  // of all pieces so far

 private:
  XXH3_state_s* state_;
};

}  // namespace cohort::base
