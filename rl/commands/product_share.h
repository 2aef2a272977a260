#pragma once

// What share of the machine's product rates a benchmark reaches, measured in the same run: machines
// and their neighbours differ from run to run.

#include <nlohmann/json.hpp>

namespace cohort::rl {

// 10^9 operations a second of matrix products, all threads.
struct ProductRates {
  // Our kernels' with operands in the L1 cache, of the class that each precision computes in.
  double own_float32 = 0;
  double own_bfloat16 = 0;
  // LibTorch's of matrices of 2048 x 2048.
  double libtorch_float32 = 0;
  double libtorch_bfloat16 = 0;
};
// Takes some seconds. `threads`: 0 = all cores.
ProductRates MeasureProductRates(int threads);

struct MeasuredPass {
  double flops = 0;  // of the model's products
  double seconds = 0;
  bool bf16 = false;  // the precision that it computed in
};
// {"products_gflop_per_s", "share_of_own_rate", "fastest_products", "share_of_fastest_rate", the
// rates}; the shares are null where nothing was computed.
nlohmann::json ProductShare(const MeasuredPass& pass, const ProductRates& rates);

}  // namespace cohort::rl
