#include "kernels/cpu/moe.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace cohort::kernels {

namespace {

// Counting sort of the slots by expert; stable, so a row's place does not depend on anything else.
void SortSlots(const MoeArgs& args, MoeScratch& scratch) {
  const int64_t slots = args.rows * args.experts_per_token;
  scratch.offsets.assign(static_cast<size_t>(args.num_experts + 1), 0);
  scratch.order.resize(static_cast<size_t>(slots));
  for (int64_t slot = 0; slot < slots; ++slot) {
    const int32_t expert = args.experts[slot];
    if (expert < 0 || expert >= args.num_experts) {
      throw std::invalid_argument("RoutedExperts: expert index out of range");
    }
    ++scratch.offsets[static_cast<size_t>(expert) + 1];
  }
  for (size_t e = 1; e < scratch.offsets.size(); ++e) scratch.offsets[e] += scratch.offsets[e - 1];
  std::vector<int64_t> next(scratch.offsets.begin(), scratch.offsets.end() - 1);
  for (int64_t slot = 0; slot < slots; ++slot) {
    const auto place = static_cast<size_t>(next[static_cast<size_t>(args.experts[slot])]++);
    scratch.order[place] = static_cast<int32_t>(slot);
  }
}

// Tasks of one product over all experts: an expert's rows times a run of its panels. With few rows
// an expert is cut by panels, so that every thread finds work; the heaviest come first.
void CutTasks(const MoeScratch& scratch, int64_t panels, int threads,
              std::vector<ProductPart>& parts) {
  constexpr int64_t kRowsInCache = 120;
  const int64_t slots = scratch.offsets.back();
  const int64_t target = std::max<int64_t>(1, slots * panels / (threads * 6));  // row-panels a task
  parts.clear();
  for (size_t e = 0; e + 1 < scratch.offsets.size(); ++e) {
    const int64_t begin = scratch.offsets[e], count = scratch.offsets[e + 1] - begin;
    if (count == 0) continue;
    const int64_t first = static_cast<int64_t>(e) * panels;
    const int64_t blocks = (count + kRowsInCache - 1) / kRowsInCache;
    const int64_t rows = (count + blocks - 1) / blocks;
    int64_t chunk = threads == 1 ? panels : std::max<int64_t>(1, target / rows);
    chunk = std::min(panels, (chunk + 1) / 2 * 2);  // gates and ups stay together
    for (int64_t row = begin; row < begin + count; row += rows) {
      for (int64_t panel = 0; panel < panels; panel += chunk) {
        parts.push_back({.row_begin = row,
                         .row_end = std::min(row + rows, begin + count),
                         .panel_begin = first + panel,
                         .panel_end = first + std::min(panel + chunk, panels),
                         .first_panel = first});
      }
    }
  }
  const auto work = [](const ProductPart& p) {
    return (p.row_end - p.row_begin) * (p.panel_end - p.panel_begin);
  };
  if (threads > 1) {
    std::stable_sort(parts.begin(), parts.end(),
                     [&](const ProductPart& a, const ProductPart& b) { return work(a) > work(b); });
  }
}

void Combine(const Ops& ops, const MoeArgs& args, const std::vector<float>& down,
             const std::vector<int64_t>& place, int64_t token, float* sum) {
  const int64_t ld = PadToPanel(args.width);
  std::fill(sum, sum + args.width, 0.0f);
  for (int64_t k = 0; k < args.experts_per_token; ++k) {
    const int64_t slot = token * args.experts_per_token + k;
    ops.multiply_add(args.weights[slot], down.data() + place[static_cast<size_t>(slot)] * ld,
                     args.width, sum);
  }
  if (args.shared != nullptr) ops.add(args.shared + token * args.ld_out, args.width, sum);
  ops.add(sum, args.width, args.residual + token * args.ld_out);
}

void CheckShapes(const MoeArgs& args) {
  const bool fits =
      args.gate_up != nullptr && args.down != nullptr && args.num_experts >= 1 &&
      args.gate_up->panels() % (2 * args.num_experts) == 0 && args.gate_up->depth() == args.width &&
      args.down->panels() == args.num_experts * PadToPanel(args.width) / kPanelColumns &&
      args.down->depth() * 2 * args.num_experts == args.gate_up->panels() * kPanelColumns;
  if (!fits) throw std::invalid_argument("RoutedExperts: packed experts do not fit the shape");
}

}  // namespace

void RoutedExperts(ThreadPool& pool, const Ops& ops, const MoeArgs& args, MoeScratch& scratch) {
  CheckShapes(args);
  if (args.rows == 0) return;
  const int64_t slots = args.rows * args.experts_per_token;
  const int64_t padded = args.down->depth();  // PadToPanel(m)
  const int64_t ld_down = PadToPanel(args.width);
  SortSlots(args, scratch);
  const auto grow = [slots](std::vector<float>& v, int64_t ld) {
    if (v.size() < static_cast<size_t>(slots * ld)) v.resize(static_cast<size_t>(slots * ld));
  };
  grow(scratch.gathered, args.width);
  grow(scratch.gate_up, 2 * padded);
  grow(scratch.activated, padded);
  grow(scratch.down, ld_down);

  std::vector<int64_t> place(static_cast<size_t>(slots));  // of a slot in the sorted order
  for (int64_t i = 0; i < slots; ++i) {
    const int32_t slot = scratch.order[static_cast<size_t>(i)];
    place[static_cast<size_t>(slot)] = i;
    std::memcpy(scratch.gathered.data() + i * args.width,
                args.x + slot / args.experts_per_token * args.ldx,
                static_cast<size_t>(args.width) * 4);
  }
  const auto run = [&](const Product& product, int64_t panels) {
    CutTasks(scratch, panels, pool.size(), scratch.parts);
    pool.ParallelFor(static_cast<int64_t>(scratch.parts.size()), [&](int64_t task, int) {
      MultiplyPart(ops, product, scratch.parts[static_cast<size_t>(task)]);
    });
  };
  run({.weights = args.gate_up,
       .a = scratch.gathered.data(),
       .lda = args.width,
       .rows = slots,
       .c = scratch.gate_up.data(),
       .ldc = 2 * padded,
       .bias = args.gate_up_bias,
       .gated_out = scratch.activated.data(),
       .ld_gated = padded,
       .unit = args.unit},
      2 * padded / kPanelColumns);
  run({.weights = args.down,
       .a = scratch.activated.data(),
       .lda = padded,
       .rows = slots,
       .c = scratch.down.data(),
       .ldc = ld_down,
       .bias = args.down_bias},
      ld_down / kPanelColumns);
  const int64_t per_task = 16;
  pool.ParallelFor((args.rows + per_task - 1) / per_task, [&](int64_t task, int) {
    thread_local std::vector<float> sum;
    sum.resize(static_cast<size_t>(args.width));
    const int64_t end = std::min((task + 1) * per_task, args.rows);
    for (int64_t token = task * per_task; token < end; ++token) {
      Combine(ops, args, scratch.down, place, token, sum.data());
    }
  });
}

}  // namespace cohort::kernels
