#include "kernels/cpu/delta_rule.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/delta_scan.h"

namespace cohort::kernels {
namespace {

constexpr int64_t kPanel = 16;
// Tokens times heads of a task, at least: enough to be worth its start.
constexpr int64_t kTaskSteps = 16;

// The memory of a panel that a run starts from and ends with.
float* StartPanel(const DeltaRun& run, int64_t offset, int64_t floats) {
  static thread_local std::vector<float> scratch;
  float* panel = nullptr;
  if (run.after != nullptr) {
    panel = run.after + offset;
  } else {
    if (std::ssize(scratch) < floats) scratch.resize(static_cast<size_t>(floats));
    panel = scratch.data();
  }
  if (run.before == nullptr) {
    std::fill_n(panel, floats, 0.0f);
  } else if (run.before != run.after) {
    std::copy_n(run.before + offset, floats, panel);
  }
  return panel;
}

void RunHead(const DeltaRuleArgs& args, const DeltaRun& run, int64_t head,
             const DeltaRuleOutput& output, const Ops& ops) {
  const int64_t key_head = head / (args.value_heads / args.key_heads);
  const int64_t panel_floats = args.key_dim * kPanel;
  for (int64_t column = 0; column < args.value_dim; column += kPanel) {
    const int64_t at = head * args.value_dim + column;
    const int64_t out_at = run.first * output.out_row + at;
    const int64_t qk_at = run.first * args.qk_row + key_head * args.key_dim;
    const int64_t gate_at = run.first * args.gate_row + head;
    const int64_t offset = head * args.head_floats() + column / kPanel * panel_floats;
    ops.delta_scan({.q = args.q + qk_at,
                    .k = args.k + qk_at,
                    .qk_row = args.qk_row,
                    .v = args.v + run.first * args.v_row + at,
                    .v_row = args.v_row,
                    .decay = args.decay + gate_at,
                    .beta = args.beta + gate_at,
                    .gate_row = args.gate_row,
                    .tokens = run.length,
                    .key_dim = args.key_dim,
                    .columns = std::min(kPanel, args.value_dim - column),
                    .state = StartPanel(run, offset, panel_floats),
                    .out = output.out + out_at,
                    .out_row = output.out_row,
                    .residual = output.residual == nullptr ? nullptr : output.residual + out_at});
  }
}

struct HeadRun {
  const DeltaRun* run;
  int64_t head, head_end;
};

}  // namespace

void DeltaRule(const DeltaRuleArgs& args, const DeltaRuleOutput& output, const Ops& ops,
               const ParallelTasks& parallel) {
  std::vector<HeadRun> tasks;
  for (const DeltaRun& run : args.runs) {
    const int64_t heads = std::max<int64_t>(1, kTaskSteps / std::max<int64_t>(1, run.length));
    for (int64_t head = 0; head < args.value_heads; head += heads) {
      tasks.push_back({&run, head, std::min(head + heads, args.value_heads)});
    }
  }
  parallel(static_cast<int64_t>(tasks.size()), [&](int64_t n) {
    const HeadRun& task = tasks[static_cast<size_t>(n)];
    for (int64_t head = task.head; head < task.head_end; ++head) {
      RunHead(args, *task.run, head, output, ops);
    }
  });
}

}  // namespace cohort::kernels
