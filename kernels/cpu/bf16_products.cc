#include "kernels/cpu/bf16_products.h"

#include <cerrno>
#include <cstring>

#include "kernels/cpu/isa.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace cohort::kernels {

#if defined(__x86_64__) && defined(__linux__)

namespace {

// Linux: arch/x86/include/uapi/asm/prctl.h, arch/x86/include/asm/fpu/types.h
constexpr int kGetPermission = 0x1022, kRequestPermission = 0x1023, kTileData = 18;
constexpr uint64_t kTileState = uint64_t{3} << 17;  // TILECFG and TILEDATA, of XCR0

bool CpuHasTiles() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  return (edx >> 22 & 1) != 0 && (edx >> 24 & 1) != 0;
}

bool TilesAreKept() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & bit_OSXSAVE) == 0) return false;
  unsigned low = 0, high = 0;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kTileState) == kTileState;
}

// Asked afterwards too, since an emulated kernel may say yes to what it does not know.
int RequestTiles() {
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) return errno;
  uint64_t permitted = 0;
  if (syscall(SYS_arch_prctl, kGetPermission, &permitted) != 0) return errno;
  return (permitted >> kTileData & 1) != 0 ? 0 : EPERM;
}

}  // namespace

AmxSystem ThisAmxSystem() { return {CpuHasTiles(), TilesAreKept(), &RequestTiles}; }

#else

AmxSystem ThisAmxSystem() { return {}; }

#endif

std::string AmxRefusal(const AmxSystem& system) {
  if (!system.cpu_has_tiles) return "this CPU has none";
  if (!system.state_is_kept) {
    return "the CPU has it, but the operating system does not keep its registers (Linux before "
           "5.16, or a virtual machine without it)";
  }
  const int fault = system.permit();
  if (fault == 0) return "";
  return std::string(
             "the CPU has it, but the operating system does not let this process use it (") +
         std::strerror(fault) + ")";
}

Bf16Products ChooseBf16Products(const AmxSystem& system, const Ops* amx, const Bf16Rivals& rivals) {
  Bf16Products chosen;
  chosen.amx = AmxRefusal(system);
  if (!chosen.amx.empty()) return chosen;
  if (amx == nullptr) {
    chosen.amx =
        "not used: this program was compiled without it, or the CPU lacks AVX-512 with BF16";
    return chosen;
  }
  if (!GivesSameAmxBits(*amx, rivals.reference)) {
    chosen.amx =
        "not used: its products have other bits than the class bf16-amx, whose rule is Intel's "
        "manual's; please report this CPU";
    return chosen;
  }
  chosen.on_tiles = true;
  if (rivals.seconds(*amx, Numerics::kBf16Amx) > rivals.seconds(rivals.best, Numerics::kBf16Dot)) {
    chosen.amx = "works, but dot products are faster here";
    return chosen;
  }
  chosen.numerics = Numerics::kBf16Amx;
  chosen.amx = "used";
  return chosen;
}

}  // namespace cohort::kernels
