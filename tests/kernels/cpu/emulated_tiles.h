#pragma once

// The tile registers of AMX in plain C++, after the pseudocode of Intel's manual (volume 2:
// LDTILECFG, TILELOADD, TDPBF16PS): a unit of kernels/cpu/vector/amx_tile.h. What would be an
// invalid instruction on a CPU throws std::logic_error.

#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "kernels/cpu/vector/amx_tile.h"

namespace cohort::kernels {

class EmulatedTiles {
 public:
  void Configure(const TileConfig& config) {
    Require(config.palette == 1 && config.start_row == 0, "LDTILECFG: palette");
    for (const uint8_t byte : config.reserved) Require(byte == 0, "LDTILECFG: reserved bytes");
    for (int i = 0; i < 16; ++i) {
      const bool empty = config.rows[i] == 0;
      Require(i < 8 || (empty && config.row_bytes[i] == 0), "LDTILECFG: no such tile");
      Require(config.rows[i] <= 16 && config.row_bytes[i] <= 64, "LDTILECFG: too large");
      Require(empty == (config.row_bytes[i] == 0), "LDTILECFG: half empty");
    }
    config_ = config;
    std::memset(tiles_, 0, sizeof(tiles_));
  }

  template <int kTile>
  void Zero() {
    RequireTile(kTile);
    std::memset(tiles_[kTile], 0, sizeof(tiles_[kTile]));
  }
  template <int kTile>
  void Load(const void* rows, int64_t stride) {
    Zero<kTile>();
    for (int64_t r = 0; r < config_.rows[kTile]; ++r) {
      std::memcpy(tiles_[kTile][r], static_cast<const char*>(rows) + r * stride,
                  config_.row_bytes[kTile]);
    }
  }
  template <int kTile>
  void Store(void* rows, int64_t stride) {
    RequireTile(kTile);
    for (int64_t r = 0; r < config_.rows[kTile]; ++r) {
      std::memcpy(static_cast<char*>(rows) + r * stride, tiles_[kTile][r],
                  config_.row_bytes[kTile]);
    }
  }
  template <int kSum, int kA, int kB>
  void Dot() {
    static_assert(kSum != kA && kSum != kB && kA != kB);
    for (const int tile : {kSum, kA, kB}) RequireTile(tile);
    const int pairs = config_.row_bytes[kA] / 4, columns = config_.row_bytes[kSum] / 4;
    Require(config_.rows[kSum] == config_.rows[kA] && config_.rows[kB] == pairs &&
                config_.row_bytes[kB] == config_.row_bytes[kSum],
            "TDPBF16PS: shapes");
    for (int m = 0; m < config_.rows[kSum]; ++m) {
      for (int n = 0; n < columns; ++n) {
        float even = 0.0f, odd = 0.0f;
        for (int k = 0; k < pairs; ++k) {
          const uint32_t a = tiles_[kA][m][k], b = tiles_[kB][k][n];
          even = Flushed(std::fma(Upper(a << 16), Upper(b << 16), even));
          odd = Flushed(std::fma(Upper(a), Upper(b), odd));
        }
        const float sum = Flushed(even + odd), old = std::bit_cast<float>(tiles_[kSum][m][n]);
        tiles_[kSum][m][n] = std::bit_cast<uint32_t>(Flushed(Flushed(old) + sum));
      }
    }
  }

 private:
  static float Flushed(float x) {
    return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
  }
  static float Upper(uint32_t bits) { return Flushed(std::bit_cast<float>(bits & 0xffff0000u)); }
  static void Require(bool condition, const char* fault) {
    if (!condition) throw std::logic_error(fault);
  }
  void RequireTile(int tile) const {
    Require(config_.palette == 1 && config_.rows[tile] > 0, "a tile that is not configured");
  }

  TileConfig config_{.palette = 0};
  uint32_t tiles_[8][16][16] = {};
};

}  // namespace cohort::kernels
