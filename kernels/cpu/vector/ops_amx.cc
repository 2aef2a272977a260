#include "kernels/cpu/isa.h"

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)

#include "kernels/cpu/vector/amx_tile.h"

namespace cohort::kernels {
namespace {

// The CPU's tiles. GCC's intrinsics take no template's numbers, and its loads and stores say
// nothing of the memory that they read and write.
class AmxUnit {
 public:
  AmxUnit() = default;
  AmxUnit(const AmxUnit&) = delete;
  // Tiles in use make the thread dearer to switch.
  ~AmxUnit() { asm volatile("tilerelease" ::: "memory"); }

  void Configure(const TileConfig& config) {
    asm volatile("ldtilecfg %0" ::"m"(config) : "memory");
  }
  template <int kTile>
  void Zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <int kTile>
  void Load(const void* rows, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(rows), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kTile>
  void Store(void* rows, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(rows), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kSum, int kA, int kB>
  void Dot() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
  }
};

}  // namespace

// All else is the set of AVX-512 with BF16, which CPUs with AMX have.
const Ops* AmxOps() {
  static const Ops kOps = [] {
    Ops ops = *Avx512Bf16Ops();
    ops.isa = Isa::kAmx;
    ops.gemm_amx = &MultiplyOnTiles<AmxUnit>;
    return ops;
  }();
  return &kOps;
}

}  // namespace cohort::kernels

#else

namespace cohort::kernels {

const Ops* AmxOps() { return nullptr; }

}  // namespace cohort::kernels

#endif
