// The compiled tile instructions, on CPUs without tiles too: there each is an invalid instruction,
// which a signal handler carries out in its stead.

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/isa.h"
#include "tests/kernels/cpu/emulated_tiles.h"
#include "tests/kernels/cpu/parallel_orders.h"

#if defined(__x86_64__) && defined(__linux__)

#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

namespace cohort::kernels {
namespace {

EmulatedTiles* tiles = nullptr;  // of the trap that lives
int carried_out = 0;

// An instruction of AMX as Intel's manual encodes it (volume 2, 2.3.5 and chapter 3): VEX.128 of
// three bytes, map 0F38, W0.
struct Instruction {
  uint8_t prefix, opcode;  // pp: 0 none, 2 F3, 3 F2
  int reg, rm, vvvv;
  bool has_memory = false;
  int64_t base = 0, index = 0;  // of the memory operand: values, the displacement in the base
  int64_t bytes = 0;
};

int64_t Register(const ucontext_t& context, int number) {
  constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                              REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                              REG_R12, REG_R13, REG_R14, REG_R15};
  return context.uc_mcontext.gregs[kOrder[number]];
}

bool Decode(const ucontext_t& context, Instruction* out) {
  const auto* code = reinterpret_cast<const uint8_t*>(context.uc_mcontext.gregs[REG_RIP]);
  if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x84) != 0) return false;
  const int r = code[1] & 0x80 ? 0 : 8, x = code[1] & 0x40 ? 0 : 8, b = code[1] & 0x20 ? 0 : 8;
  const int mod = code[4] >> 6, rm = code[4] & 7;
  out->prefix = code[2] & 3;
  out->vvvv = 15 - (code[2] >> 3 & 15);
  out->opcode = code[3];
  out->reg = (code[4] >> 3 & 7) | r;
  out->rm = rm | b;
  const uint8_t* next = code + 5;
  if (mod != 3) {
    out->has_memory = true;
    int base = rm | b;
    if (rm == 4) {
      const int index = (*next >> 3 & 7) | x;
      if (index != 4) out->index = Register(context, index) << (*next >> 6);
      base = (*next & 7) | b;
      ++next;
    }
    if (mod == 0 && (base & 7) == 5) return false;  // no base: not compiled so
    out->base = Register(context, base);
    int32_t displacement = 0;
    if (mod == 1) displacement = static_cast<int8_t>(*next++);
    if (mod == 2) std::memcpy(&displacement, std::exchange(next, next + 4), 4);
    out->base += displacement;
  }
  out->bytes = next - code;
  return true;
}

bool CarryOut(const Instruction& i) {
  auto* memory = reinterpret_cast<char*>(i.base);
  if (i.opcode == 0x49 && i.prefix == 0) {
    if (!i.has_memory) {
      tiles->Release();
    } else {
      TileConfig config;
      std::memcpy(&config, memory + i.index, sizeof(config));
      tiles->Configure(config);
    }
  } else if (i.opcode == 0x49 && i.prefix == 3 && !i.has_memory) {
    tiles->Zero(i.reg);
  } else if (i.opcode == 0x4b && i.prefix == 3) {
    tiles->Load(i.reg, memory, i.index);
  } else if (i.opcode == 0x4b && i.prefix == 2) {
    tiles->Store(i.reg, memory, i.index);
  } else if (i.opcode == 0x5c && i.prefix == 2 && !i.has_memory) {
    tiles->Dot(i.reg, i.rm, i.vvvv);
  } else {
    return false;
  }
  return true;
}

void OnInvalidInstruction(int, siginfo_t*, void* raw) {
  auto* context = static_cast<ucontext_t*>(raw);
  Instruction instruction;
  bool known = Decode(*context, &instruction);
  try {
    known = known && CarryOut(instruction);
  } catch (const std::logic_error&) {
    known = false;
  }
  if (!known) {
    signal(SIGILL, SIG_DFL);  // and ends the test at this instruction
    return;
  }
  ++carried_out;
  context->uc_mcontext.gregs[REG_RIP] += instruction.bytes;
}

// While it lives, tile instructions that this CPU lacks are carried out.
class Trap {
 public:
  Trap() {
    tiles = &tiles_;
    carried_out = 0;
    struct sigaction action = {};
    action.sa_sigaction = &OnInvalidInstruction;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, &before_);
  }
  ~Trap() {
    sigaction(SIGILL, &before_, nullptr);
    tiles = nullptr;
  }

 private:
  EmulatedTiles tiles_;
  struct sigaction before_ = {};
};

// The rest of the set is of AVX-512.
bool CanRun() {
  const std::vector<Isa> isas = AvailableIsas();
  return std::find(isas.begin(), isas.end(), Isa::kAvx512) != isas.end() && AmxOps() != nullptr;
}

TEST(OpsAmx, TheCompiledInstructionsGiveTheBitsOfTheClass) {
  if (!CanRun()) GTEST_SKIP() << "no AVX-512";
  const Trap trap;
  EXPECT_TRUE(GivesSameAmxBits(*AmxOps(), ScalarOps()));
  const bool has_tiles = AmxRefusal(ThisAmxSystem()).empty();
  EXPECT_EQ(carried_out == 0, has_tiles);
}

TEST(OpsAmx, EveryHeightOfATileAndNumberOfPanelsGivesTheBitsOfTheClass) {
  if (!CanRun()) GTEST_SKIP() << "no AVX-512";
  constexpr int64_t kRows = 34, kPairs = 48, kPanels = 7, kColumns = kPanels * 16;
  const std::vector<float> values = RandomNormal(2 * kPairs * kColumns, 3);
  std::vector<uint32_t> a(kRows * kPairs), w(kPairs * kColumns);
  ScalarOps().round_bf16(values.data() + 9, 2 * std::ssize(a),
                         reinterpret_cast<uint16_t*>(a.data()));
  ScalarOps().round_bf16(values.data(), 2 * std::ssize(w), reinterpret_cast<uint16_t*>(w.data()));
  const Trap trap;
  for (const TileMode mode : {TileMode::kStore, TileMode::kContinue, TileMode::kAdd}) {
    for (int64_t rows = 1; rows <= kRows; ++rows) {
      const int64_t panels = 1 + rows % kPanels;
      std::vector<float> c = RandomNormal(kRows * kColumns, 4), expected = c;
      AmxOps()->gemm_amx({a.data(), kPairs, rows, w.data(), kPairs * 16, panels, kPairs, c.data(),
                          kColumns, mode});
      ScalarOps().gemm_amx({a.data(), kPairs, rows, w.data(), kPairs * 16, panels, kPairs,
                            expected.data(), kColumns, mode});
      ASSERT_EQ(c, expected) << rows << " rows, " << panels << " panels";
    }
  }
}

}  // namespace
}  // namespace cohort::kernels

#endif
