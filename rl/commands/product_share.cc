#include "rl/commands/product_share.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/seconds_since.h"
#include "kernels/cpu/machine_rates.h"

namespace cohort::rl {
namespace {

double LibTorchRate(at::ScalarType dtype) {
  constexpr int64_t kSize = 2048;
  constexpr int kRepeats = 4;  // the first one chooses and builds a kernel
  const at::NoGradGuard no_grad;
  const at::Tensor a = at::full({kSize, kSize}, 0.5, dtype), b = a.clone();
  double best = 1e30;
  for (int i = 0; i < kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    at::mm(a, b);
    best = std::min(best, base::SecondsSince(start));
  }
  return 2.0 * kSize * kSize * kSize / best * 1e-9;
}

}  // namespace

ProductRates MeasureProductRates(int threads) {
  if (threads > 0) at::set_num_threads(threads);
  ProductRates rates;
  {
    kernels::ThreadPool pool(threads);
    const kernels::MachineRates own = kernels::MeasureMachineRates(pool);
    rates.own_float32 = own.fma_gflop_per_s;
    rates.own_bfloat16 = own.bf16_gflop_per_s;
  }
  rates.libtorch_float32 = LibTorchRate(at::kFloat);
  rates.libtorch_bfloat16 = LibTorchRate(at::kBFloat16);
  return rates;
}

nlohmann::json ProductShare(const MeasuredPass& pass, const ProductRates& rates) {
  const std::vector<std::pair<std::string, double>> all = {
      {"own_float32", rates.own_float32},
      {"own_bfloat16", rates.own_bfloat16},
      {"libtorch_float32", rates.libtorch_float32},
      {"libtorch_bfloat16", rates.libtorch_bfloat16}};
  nlohmann::json result;
  for (const auto& [name, rate] : all) result[name + "_gflop_per_s"] = rate;
  const auto fastest = *std::max_element(
      all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  result["fastest_products"] = fastest.first;
  const bool computed = pass.seconds > 0 && pass.flops > 0;
  const double reached = computed ? pass.flops / pass.seconds * 1e-9 : 0;
  result["products_gflop_per_s"] = reached;
  const auto share = [&](double rate) -> nlohmann::json {
    if (!computed || rate <= 0) return nullptr;
    return reached / rate;
  };
  result["share_of_own_rate"] = share(pass.bf16 ? rates.own_bfloat16 : rates.own_float32);
  result["share_of_fastest_rate"] = share(fastest.second);
  return result;
}

}  // namespace cohort::rl
