#include "rl/commands/attention_benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/counter_random.h"
#include "base/error.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/machine_rates.h"
#include "kernels/cpu/segment_attention.h"

namespace cohort::rl {
namespace {

struct AttentionKindSpeed {
  std::string name;
  int64_t context;
  int64_t window = 0;
  float soft_cap = 0;
  bool sinks = false;
  // Of the fastest repetition, in seconds.
  double decode = std::numeric_limits<double>::infinity();
  double forward = decode, backward = decode;
};

void CheckSizes(const AttentionBenchmark& b) {
  const int64_t least = std::min(
      {b.heads, b.kv_heads, b.head_dim, b.sequence, b.window, static_cast<int64_t>(b.repeats)});
  if (least < 1 || b.heads % b.kv_heads != 0 || b.window > b.context || !(b.soft_cap > 0)) {
    throw Error(ErrorCode::kUsage,
                "an attention benchmark needs sizes of at least 1, heads that are a multiple of "
                "the KV heads, a window within the context and a soft cap above 0");
  }
}

template <class Work>
void KeepFastest(double* seconds, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  *seconds = std::min(*seconds, taken.count());
}

std::vector<float> Values(int64_t count) {
  constexpr size_t kDifferent = 100'003;
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = i < kDifferent ? static_cast<float>(2 * base::UniformDraw(1, 0, i) - 1)
                               : values[i - kDifferent];
  }
  return values;
}

// Memory of both sides, made once.
class Layer {
 public:
  explicit Layer(const AttentionBenchmark& b)
      : benchmark_(b),
        pool_(b.num_threads),
        layout_{b.kv_heads, b.head_dim, b.head_dim},
        blocks_((b.context + kernels::kBlockTokens - 1) / kernels::kBlockTokens),
        cache_(Values(blocks_ * layout_.block_floats())),
        q_(Values(b.sequence * b.heads * b.head_dim)),
        k_(Values(b.sequence * b.kv_heads * b.head_dim)),
        sinks_(Values(b.heads)),
        out_(q_.size()),
        dq_(q_.size()),
        dk_(k_.size()),
        dv_(k_.size()),
        dsinks_(sinks_.size()) {
    for (int64_t i = 0; i < blocks_; ++i) table_.push_back(static_cast<int32_t>(i));
  }

  kernels::ThreadPool& pool() { return pool_; }

  void Measure(AttentionKindSpeed* kind) {
    KeepFastest(&kind->decode, [&] { Decode(*kind); });
    const std::vector<kernels::AttentionSegment> segments = {{0, benchmark_.sequence}};
    const kernels::SegmentAttentionArgs args{.segments = segments,
                                             .heads = benchmark_.heads,
                                             .kv_heads = benchmark_.kv_heads,
                                             .qk_dim = benchmark_.head_dim,
                                             .v_dim = benchmark_.head_dim,
                                             .scale = Scale(),
                                             .soft_cap = kind->soft_cap,
                                             .window = kind->window,
                                             .q = q_.data(),
                                             .k = k_.data(),
                                             .v = k_.data(),
                                             .sinks = kind->sinks ? sinks_.data() : nullptr};
    const auto parallel = [&](int64_t n, const std::function<void(int64_t)>& task) {
      pool_.ParallelFor(n, [&](int64_t i, int) { task(i); });
    };
    const kernels::Ops& ops = kernels::BestOps();
    KeepFastest(&kind->forward, [&] { kernels::AttendSegments(args, out_.data(), ops, parallel); });
    const kernels::SegmentAttentionGradients gradients{dq_.data(), dk_.data(), dv_.data(),
                                                       kind->sinks ? dsinks_.data() : nullptr};
    KeepFastest(&kind->backward, [&] {
      kernels::AttendSegmentsBackward(args, q_.data(), gradients, ops, parallel);
    });
  }

 private:
  float Scale() const { return 1 / std::sqrt(static_cast<float>(benchmark_.head_dim)); }

  void Decode(const AttentionKindSpeed& kind) {
    const std::vector<kernels::AttentionRow> rows = {{table_.data(), kind.context}};
    const std::vector<kernels::AttentionBundle> bundles = {{0, 1, 0}};
    kernels::Attention(pool_, kernels::BestOps(),
                       {.layout = layout_,
                        .cache = cache_.data(),
                        .block_stride = layout_.block_floats(),
                        .num_heads = benchmark_.heads,
                        .scale = Scale(),
                        .soft_cap = kind.soft_cap,
                        .sinks = kind.sinks ? sinks_.data() : nullptr,
                        .window = kind.window,
                        .q = q_.data(),
                        .ldq = benchmark_.heads * benchmark_.head_dim,
                        .q_stride = benchmark_.head_dim,
                        .out = out_.data(),
                        .ldo = benchmark_.heads * benchmark_.head_dim,
                        .rows = &rows,
                        .bundles = &bundles},
                       scratch_);
  }

  AttentionBenchmark benchmark_;
  kernels::ThreadPool pool_;
  kernels::KvLayout layout_;
  int64_t blocks_;
  std::vector<float> cache_, q_, k_, sinks_, out_, dq_, dk_, dv_, dsinks_;
  std::vector<int32_t> table_;
  kernels::AttentionScratch scratch_;
};

}  // namespace

nlohmann::json RunAttentionBenchmark(const AttentionBenchmark& benchmark) {
  CheckSizes(benchmark);
  Layer layer(benchmark);
  const auto cap = static_cast<float>(benchmark.soft_cap);
  const int64_t context = benchmark.context, window = benchmark.window;
  std::vector<AttentionKindSpeed> kinds = {
      {.name = "plain", .context = context},
      {.name = "window", .context = context, .window = window},
      {.name = "sinks", .context = context, .sinks = true},
      {.name = "soft_cap", .context = context, .soft_cap = cap},
      {.name = "plain_of_the_windows_length", .context = window}};
  const kernels::MachineRates rates = kernels::MeasureMachineRates(layer.pool());
  for (int repeat = 0; repeat < benchmark.repeats; ++repeat) {
    for (AttentionKindSpeed& kind : kinds) layer.Measure(&kind);
  }
  nlohmann::json lines = nlohmann::json::array();
  for (const AttentionKindSpeed& kind : kinds) {
    const int64_t seen = kind.window > 0 ? std::min(kind.window, kind.context) : kind.context;
    const int64_t bytes = 2 * 4 * seen * benchmark.kv_heads * benchmark.head_dim;
    lines.push_back({{"attention", kind.name},
                     {"decode_us", 1e6 * kind.decode},
                     {"decode_gb_per_s", 1e-9 * static_cast<double>(bytes) / kind.decode},
                     {"forward_ms", 1e3 * kind.forward},
                     {"backward_ms", 1e3 * kind.backward}});
  }
  return {{"kinds", lines},
          {"window_cost", kinds[1].decode / kinds.back().decode},
          {"context", context},
          {"sequence", benchmark.sequence},
          {"window", window},
          {"soft_cap", benchmark.soft_cap},
          {"heads", benchmark.heads},
          {"kv_heads", benchmark.kv_heads},
          {"head_dim", benchmark.head_dim},
          {"threads", layer.pool().size()},
          {"read_bandwidth_gb_per_s", rates.read_gb_per_s},
          {"peak_dot_gflop_per_s", rates.fma_gflop_per_s}};
}

}  // namespace cohort::rl
