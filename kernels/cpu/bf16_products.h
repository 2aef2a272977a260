#pragma once

// In which class this machine multiplies bf16 numbers: on the tiles of AMX where they exist, may be
// used, give what the class says and are faster; else as dot products.

#include <functional>
#include <string>

#include "kernels/cpu/ops.h"

namespace cohort::kernels {

// What a process must know before its first tile instruction, which kills it otherwise.
struct AmxSystem {
  bool cpu_has_tiles = false;   // CPUID: AMX-TILE and AMX-BF16
  bool state_is_kept = false;   // XCR0: the operating system saves tiles when threads take turns
  std::function<int()> permit;  // asks the operating system for tiles: 0 or an errno
};
// Linux gives a process its tiles for good, so that asking again is harmless.
AmxSystem ThisAmxSystem();
// Why tiles must not be touched; "" where they may. The first call asks for them.
std::string AmxRefusal(const AmxSystem& system);

struct Bf16Products {
  Numerics numerics = Numerics::kBf16Dot;
  bool on_tiles = false;  // gemm_amx runs on AMX
  std::string amx;        // what became of AMX, for people
};

struct Bf16Rivals {
  const Ops& best;       // of the sets without AMX
  const Ops& reference;  // whose gemm_amx is right
  // Of some product of that class.
  std::function<double(const Ops& ops, Numerics numerics)> seconds;
};

// `amx`: null where it is not compiled in, or lacks AVX-512. A set with other bits than the
// reference is not used.
Bf16Products ChooseBf16Products(const AmxSystem& system, const Ops* amx, const Bf16Rivals& rivals);

// Of this machine; chosen once, together with BestOps().
const Bf16Products& ThisBf16Products();

}  // namespace cohort::kernels
