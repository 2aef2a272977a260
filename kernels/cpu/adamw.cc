#include "kernels/cpu/adamw.h"

#include <algorithm>

namespace cohort::kernels {
namespace {

// Elements of a task: a multiple of kDrawBlock, and with its moments no more than a core's cache.
constexpr int64_t kTaskElements = int64_t{1} << 15;

const AdamWLoops& LoopsOf(const Ops& ops) {
  switch (ops.isa) {
    case Isa::kScalar:
      break;
    case Isa::kAvx2:
      return *Avx2AdamW();
    case Isa::kAvx512:
    case Isa::kAvx512Bf16:
    case Isa::kAmx:
      return *Avx512AdamW();
  }
  return ScalarAdamW();
}

struct TaskPart {
  size_t tensor;
  int64_t begin, count;
};

template <class CountOf>
std::vector<TaskPart> Cut(size_t tensors, const CountOf& count_of) {
  std::vector<TaskPart> parts;
  for (size_t t = 0; t < tensors; ++t) {
    const int64_t count = count_of(t);
    for (int64_t begin = 0; begin < count; begin += kTaskElements) {
      parts.push_back({t, begin, std::min(kTaskElements, count - begin)});
    }
  }
  return parts;
}

AdamWTensor PartOf(AdamWTensor tensor, const TaskPart& part, int64_t moment_bytes) {
  tensor.parameter += part.begin;
  tensor.gradient += part.begin;
  tensor.exp_avg = static_cast<char*>(tensor.exp_avg) + part.begin * moment_bytes;
  tensor.exp_avg_sq = static_cast<char*>(tensor.exp_avg_sq) + part.begin * moment_bytes;
  tensor.first += part.begin;
  tensor.count = part.count;
  return tensor;
}

}  // namespace

std::vector<double> SquareSums(std::span<const std::span<const float>> tensors, const Ops& ops,
                               const ParallelTasks& parallel) {
  const std::vector<TaskPart> parts =
      Cut(tensors.size(), [&](size_t t) { return std::ssize(tensors[t]); });
  std::vector<double> of_parts(parts.size()), sums(tensors.size());
  parallel(std::ssize(parts), [&](int64_t task) {
    const TaskPart& part = parts[static_cast<size_t>(task)];
    of_parts[static_cast<size_t>(task)] =
        LoopsOf(ops).square_sum(tensors[part.tensor].data() + part.begin, part.count);
  });
  for (size_t i = 0; i < parts.size(); ++i) sums[parts[i].tensor] += of_parts[i];
  return sums;
}

void StepAdamW(std::span<const AdamWTensor> tensors, const AdamWRule& rule, const Ops& ops,
               const ParallelTasks& parallel) {
  const std::vector<TaskPart> parts =
      Cut(tensors.size(), [&](size_t t) { return tensors[t].count; });
  const int64_t moment_bytes = rule.bf16_moments ? sizeof(uint16_t) : sizeof(float);
  parallel(std::ssize(parts), [&](int64_t task) {
    const TaskPart& part = parts[static_cast<size_t>(task)];
    LoopsOf(ops).step(PartOf(tensors[part.tensor], part, moment_bytes), rule);
  });
}

}  // namespace cohort::kernels
