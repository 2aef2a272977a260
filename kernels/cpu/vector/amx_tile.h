#pragma once

// Products of the class kBf16Amx on tile registers, over a `Unit` that has them: the CPU's
// (ops_amx.cc), or a test's. One that lives owns the tiles of its thread; they are numbered 0 to 7,
// hold up to 16 rows of 64 bytes each, and strides count bytes:
//   void Configure(const TileConfig& config)    all tiles are zeros then
//   void Zero<kTile>()
//   void Load<kTile>(const void* rows, int64_t stride), Store<kTile>(void* rows, int64_t stride)
//   void Dot<kSum, kA, kB>()                    TDPBF16PS

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/cpu/vector/pair_tile.h"

namespace cohort::kernels {

// As LDTILECFG reads it.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// Multiplies a strip of at most 32 rows: one tile of a or two, against panels, which are columns of
// tiles as they lie in memory.
template <class Unit>
class TileStrips {
 public:
  explicit TileStrips(const TileArgs& args) : args_(args) {}

  void Run() {
    const NoDenormals no_denormals;  // in what is added outside of tiles
    const int64_t panel_bytes = std::max<int64_t>(1, args_.k * kRowBytes);
    const int64_t group = std::clamp(kGroupBytes / panel_bytes / 4 * 4, int64_t{4}, kMaxGroup);
    const int64_t strips = (args_.rows + 2 * kRows - 1) / (2 * kRows);
    for (int64_t begin = 0; begin < args_.num_panels; begin += group) {
      const int64_t end = std::min(begin + group, args_.num_panels);
      for (int64_t strip = 0; strip < strips; ++strip) {
        const int64_t row = strip * args_.rows / strips;
        RunStrip(row, (strip + 1) * args_.rows / strips - row, begin, end);
      }
    }
  }

 private:
  static constexpr int64_t kRows = 16, kPairs = 16, kRowBytes = 64, kTile = kPairs * 16;
  // Of a depth at once: a strip of a stays in the L1 cache while a group of panels meets it.
  static constexpr int64_t kPairsAtOnce = 256;
  static constexpr int64_t kGroupBytes = 1 << 20;  // in the L2 cache, of which such CPUs have 2 MiB
  static constexpr int64_t kMaxGroup = 16;         // panels
  // Tiles 0 to 3 are sums; a's and the panels' are these.
  static constexpr int kFirstA = 4, kFirstW = 6;

  void RunStrip(int64_t row, int64_t rows, int64_t begin, int64_t end) {
    // Evenly cut: two tiles of 9 rows rather than one of 16 and a sliver.
    const int64_t first = rows > kRows ? (rows + 1) / 2 : rows;
    Configure(first, rows - first);
    const bool aside = args_.mode == TileMode::kAdd;
    float* c = aside ? aside_ : args_.c + row * args_.ldc + begin * 16;
    const int64_t ldc = aside ? kMaxGroup * 16 : args_.ldc;
    for (int64_t k = 0; k < std::max<int64_t>(args_.k, 1); k += kPairsAtOnce) {
      const bool goes_on = k > 0 || args_.mode == TileMode::kContinue;
      const TileBlock block{
          static_cast<const uint32_t*>(args_.a) + row * args_.lda + k,
          static_cast<const uint32_t*>(args_.panels) + begin * args_.panel_stride + k * 16,
          std::min(kPairsAtOnce, args_.k - k) / kPairs,
          c,
          ldc,
          goes_on};
      if (second_ > 0) {
        Panels<2, 2>(block, end - begin);
      } else {
        Panels<1, 4>(block, end - begin);
      }
    }
    for (int64_t r = 0; aside && r < rows; ++r) {
      float* out = args_.c + (row + r) * args_.ldc + begin * 16;
      for (int64_t i = 0; i < (end - begin) * 16; ++i) out[i] = out[i] + aside_[r * ldc + i];
    }
  }

  void Configure(int64_t first, int64_t second) {
    if (first == first_ && second == second_) return;
    first_ = first;
    second_ = second;
    TileConfig config;
    const auto set = [&](int tile, int64_t rows) {
      config.rows[tile] = static_cast<uint8_t>(rows);
      config.row_bytes[tile] = rows > 0 ? kRowBytes : 0;
    };
    for (int p = 0; p < 2; ++p) {
      set(p, first);
      set(2 + p, second > 0 ? second : first);
      set(kFirstW + p, kPairs);
    }
    set(kFirstA, first);
    set(kFirstA + 1, second);
    unit_.Configure(config);
  }

  // `tiles` tiles of the depth of rows at a and panels at w, added to c or stored there.
  struct TileBlock {
    const uint32_t* a;
    const uint32_t* w;
    int64_t tiles;
    float* c;
    int64_t ldc;
    bool goes_on;
  };

  template <int kRowTiles, int kPanels>
  void Panels(TileBlock block, int64_t panels) {
    for (; panels >= kPanels; panels -= kPanels) {
      Multiply<kRowTiles, kPanels>(block, std::make_integer_sequence<int, kRowTiles * kPanels>());
      block.w += kPanels * args_.panel_stride;
      block.c += kPanels * 16;
    }
    if constexpr (kPanels > 1) Panels<kRowTiles, kPanels / 2>(block, panels);
  }

  // Sum i is of row tile i / kPanels and panel i % kPanels, in tile 2 (i / kPanels) + i % kPanels
  // (of one row tile: i).
  template <int kRowTiles, int kPanels, int... kSum>
  void Multiply(const TileBlock& block, std::integer_sequence<int, kSum...>) {
    const auto at = [&](int i) {
      return block.c + i / kPanels * first_ * block.ldc + i % kPanels * 16;
    };
    const int64_t c_stride = block.ldc * 4, a_stride = args_.lda * 4;
    if (block.goes_on) {
      (unit_.template Load<kTileOf<kPanels, kSum>>(at(kSum), c_stride), ...);
    } else {
      (unit_.template Zero<kTileOf<kPanels, kSum>>(), ...);
    }
    for (int64_t t = 0; t < block.tiles; ++t) {
      const uint32_t* a = block.a + t * kPairs;
      unit_.template Load<kFirstA>(a, a_stride);
      if constexpr (kRowTiles == 2) {
        unit_.template Load<kFirstA + 1>(a + first_ * args_.lda, a_stride);
      }
      MultiplyPanels<kRowTiles, kPanels>(block.w + t * kTile,
                                         std::make_integer_sequence<int, kPanels>());
    }
    (unit_.template Store<kTileOf<kPanels, kSum>>(at(kSum), c_stride), ...);
  }

  template <int kPanels, int kSum>
  static constexpr int kTileOf = kSum / kPanels * 2 + kSum % kPanels;

  template <int kRowTiles, int kPanels, int... kPanel>
  void MultiplyPanels(const uint32_t* w, std::integer_sequence<int, kPanel...>) {
    (MultiplyPanel<kRowTiles, kPanel>(w + kPanel * args_.panel_stride), ...);
  }

  template <int kRowTiles, int kPanel>
  void MultiplyPanel(const uint32_t* w) {
    constexpr int kW = kFirstW + kPanel % 2;
    unit_.template Load<kW>(w, kRowBytes);
    unit_.template Dot<kPanel, kFirstA, kW>();
    if constexpr (kRowTiles == 2) unit_.template Dot<2 + kPanel, kFirstA + 1, kW>();
  }

  const TileArgs args_;
  Unit unit_;
  int64_t first_ = -1, second_ = -1;                     // rows of the configured tiles
  alignas(64) float aside_[2 * kRows * kMaxGroup * 16];  // sums of a strip, before they are added
};

template <class Unit>
void MultiplyOnTiles(const TileArgs& args) {
  if (args.rows > 0 && args.num_panels > 0) TileStrips<Unit>(args).Run();
}

}  // namespace cohort::kernels
