#pragma once

// The sets of inner loops as compiled, before asking whether this CPU can run them.

#include "kernels/cpu/ops.h"

namespace cohort::kernels {

const Ops& ScalarOps();
const Ops* Avx2Ops();        // null where the compiler does not target x86-64
const Ops* Avx512Ops();      // likewise
const Ops* Avx512Bf16Ops();  // likewise
const Ops* AmxOps();         // likewise

// Runs every operation of both sets on the same small inputs and compares all bits.
bool GivesSameBits(const Ops& ops, const Ops& reference);
// The same of gemm_amx alone.
bool GivesSameAmxBits(const Ops& ops, const Ops& reference);

}  // namespace cohort::kernels
