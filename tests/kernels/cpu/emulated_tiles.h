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
    Zero(kTile);
  }
  template <int kTile>
  void Load(const void* rows, int64_t stride) {
    Load(kTile, rows, stride);
  }
  template <int kTile>
  void Store(void* rows, int64_t stride) {
    Store(kTile, rows, stride);
  }
  template <int kSum, int kA, int kB>
  void Dot() {
    Dot(kSum, kA, kB);
  }

  // The same of tiles that are known as a program runs.
  void Release() { config_.palette = 0; }
  void Zero(int tile) {
    RequireTile(tile);
    std::memset(tiles_[tile], 0, sizeof(tiles_[tile]));
  }
  void Load(int tile, const void* rows, int64_t stride) {
    Zero(tile);
    for (int64_t r = 0; r < config_.rows[tile]; ++r) {
      std::memcpy(tiles_[tile][r], static_cast<const char*>(rows) + r * stride,
                  config_.row_bytes[tile]);
    }
  }
  void Store(int tile, void* rows, int64_t stride) {
    RequireTile(tile);
    for (int64_t r = 0; r < config_.rows[tile]; ++r) {
      std::memcpy(static_cast<char*>(rows) + r * stride, tiles_[tile][r], config_.row_bytes[tile]);
    }
  }
  void Dot(int sum, int a, int b) {
    Require(sum != a && sum != b && a != b, "TDPBF16PS: a tile twice");
    for (const int tile : {sum, a, b}) RequireTile(tile);
    const int pairs = config_.row_bytes[a] / 4, columns = config_.row_bytes[sum] / 4;
    Require(config_.rows[sum] == config_.rows[a] && config_.rows[b] == pairs &&
                config_.row_bytes[b] == config_.row_bytes[sum],
            "TDPBF16PS: shapes");
    for (int m = 0; m < config_.rows[sum]; ++m) {
      for (int n = 0; n < columns; ++n) {
        float even = 0.0f, odd = 0.0f;
        for (int k = 0; k < pairs; ++k) {
          const uint32_t x = tiles_[a][m][k], y = tiles_[b][k][n];
          even = Flushed(std::fma(Upper(x << 16), Upper(y << 16), even));
          odd = Flushed(std::fma(Upper(x), Upper(y), odd));
        }
        const float dot = Flushed(even + odd), old = std::bit_cast<float>(tiles_[sum][m][n]);
        tiles_[sum][m][n] = std::bit_cast<uint32_t>(Flushed(Flushed(old) + dot));
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
