#include "base/counter_random.h"

namespace cohort::base {
namespace {

uint32_t Low(uint64_t x) { return static_cast<uint32_t>(x); }
uint32_t High(uint64_t x) { return static_cast<uint32_t>(x >> 32); }
uint64_t Join(uint32_t high, uint32_t low) { return static_cast<uint64_t>(high) << 32 | low; }

}  // namespace

std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

double UniformDraw(uint64_t seed, uint64_t sample_id, uint64_t position) {
  const std::array<uint32_t, 4> words = Philox4x32(
      {Low(position), High(position), Low(sample_id), High(sample_id)}, {Low(seed), High(seed)});
  return static_cast<double>(Join(words[0], words[1]) >> 11) * 0x1.0p-53;
}

CounterRandom::CounterRandom(uint64_t seed, uint32_t stream, uint64_t index)
    : key_{Low(seed), High(seed)}, counter_{0, stream, Low(index), High(index)} {}

uint64_t CounterRandom::Next() {
  const std::array<uint32_t, 4> words = Philox4x32(counter_, key_);
  ++counter_[0];
  return Join(words[0], words[1]);
}

int64_t CounterRandom::Uniform(int64_t low, int64_t high) {
  const uint64_t count = static_cast<uint64_t>(high - low) + 1;
  const uint64_t limit = UINT64_MAX - UINT64_MAX % count;
  uint64_t draw = Next();
  while (draw >= limit) draw = Next();
  return low + static_cast<int64_t>(draw % count);
}

}  // namespace cohort::base
