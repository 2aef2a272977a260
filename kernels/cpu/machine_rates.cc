#include "kernels/cpu/machine_rates.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/gemm.h"

namespace cohort::kernels {

namespace {

double BestSeconds(int bursts, const std::function<void()>& burst) {
  double best = 1e30;
  for (int i = 0; i < bursts; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    burst();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

// 10^9 operations a second of a product whose operands stay in the L1 cache: loads are hidden,
// multiply-adds are the limit. `steps` elements of 4 bytes, each of so many `terms`.
double ProductRate(ThreadPool& pool, void (*multiply)(const TileArgs&), int64_t steps,
                   int64_t terms) {
  constexpr int64_t kRows = 32, kPanels = 2, kRepeats = 300;  // two tiles of AMX
  const std::vector<float> a(static_cast<size_t>(kRows * steps), 1.0f),
      w(static_cast<size_t>(kPanels * steps * 16), 0.5f);
  std::vector<std::vector<float>> c(static_cast<size_t>(pool.size()),
                                    std::vector<float>(kRows * kPanels * 16));
  const int64_t tasks = pool.size() * 4;
  const double seconds = BestSeconds(15, [&] {
    pool.ParallelFor(tasks, [&](int64_t, int worker) {
      for (int64_t i = 0; i < kRepeats; ++i) {
        multiply({a.data(), steps, kRows, w.data(), steps * 16, kPanels, steps,
                  c[static_cast<size_t>(worker)].data(), kPanels * 16, TileMode::kStore});
      }
    });
  });
  const double flops = 2.0 * static_cast<double>(tasks * kRepeats * kRows * kPanels * 16 * steps);
  return flops * static_cast<double>(terms) / seconds * 1e-9;
}

}  // namespace

MachineRates MeasureMachineRates(ThreadPool& pool) {
  const Ops& ops = BestOps();
  MachineRates rates;
  {
    // add() over a buffer far larger than the caches would write too; max_scaled only reads, but
    // divides. A product with one row reads each weight once: the access pattern that decoding has.
    constexpr int64_t kDepth = 1024, kColumns = 65536;
    PackedMatrix weights(kColumns, kDepth, Storage::kFloat32);
    const std::vector<float> row(16, 1.0f);
    pool.ParallelFor(weights.panels(), [&](int64_t panel, int) {
      weights.PackPanel(panel, std::vector<float>(16 * kDepth, 0.5f).data(), kDepth, 16, kDepth);
    });
    const std::vector<float> a(kDepth, 1.0f);
    std::vector<float> c(kColumns);
    const double seconds = BestSeconds(5, [&] {
      Multiply(pool, ops,
               {.weights = &weights,
                .a = a.data(),
                .lda = kDepth,
                .rows = 1,
                .c = c.data(),
                .ldc = kColumns});
    });
    rates.read_gb_per_s = static_cast<double>(weights.bytes()) / seconds * 1e-9;
  }
  rates.fma_gflop_per_s = ProductRate(pool, ops.gemm_float, kChainTerms / 2, 1);
  rates.bf16_numerics = ThisBf16Products().numerics;
  rates.bf16_gflop_per_s =
      ProductRate(pool, PairProduct(ops, rates.bf16_numerics), kChainTerms / 4, 2);
  return rates;
}

}  // namespace cohort::kernels
