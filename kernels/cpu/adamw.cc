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

int64_t BytesEach(bool bf16) { return bf16 ? sizeof(uint16_t) : sizeof(float); }

void* At(void* numbers, int64_t i, bool bf16) {
  return static_cast<char*>(numbers) + i * BytesEach(bf16);
}
const void* At(const void* numbers, int64_t i, bool bf16) {
  return static_cast<const char*>(numbers) + i * BytesEach(bf16);
}

AdamWTensor PartOf(AdamWTensor tensor, const TaskPart& part, bool bf16_moments) {
  tensor.parameter = At(tensor.parameter, part.begin, tensor.bf16_parameter);
  tensor.gradient = At(tensor.gradient, part.begin, tensor.bf16_parameter);
  tensor.exp_avg = At(tensor.exp_avg, part.begin, bf16_moments);
  tensor.exp_avg_sq = At(tensor.exp_avg_sq, part.begin, bf16_moments);
  tensor.first += part.begin;
  tensor.count = part.count;
  return tensor;
}

}  // namespace

std::vector<double> SquareSums(std::span<const GradientValues> tensors, const Ops& ops,
                               const ParallelTasks& parallel) {
  const std::vector<TaskPart> parts =
      Cut(tensors.size(), [&](size_t t) { return tensors[t].count; });
  std::vector<double> of_parts(parts.size()), sums(tensors.size());
  parallel(std::ssize(parts), [&](int64_t task) {
    const TaskPart& part = parts[static_cast<size_t>(task)];
    const GradientValues& all = tensors[part.tensor];
    of_parts[static_cast<size_t>(task)] =
        LoopsOf(ops).square_sum({At(all.data, part.begin, all.bf16), part.count, all.bf16});
  });
  for (size_t i = 0; i < parts.size(); ++i) sums[parts[i].tensor] += of_parts[i];
  return sums;
}

void AddToBf16(std::span<const Bf16Sum> sums, uint64_t step, uint64_t addition, const Ops& ops,
               const ParallelTasks& parallel) {
  const std::vector<TaskPart> parts = Cut(sums.size(), [&](size_t t) { return sums[t].count; });
  parallel(std::ssize(parts), [&](int64_t task) {
    const TaskPart& part = parts[static_cast<size_t>(task)];
    const Bf16Sum& all = sums[part.tensor];
    LoopsOf(ops).add({all.sum + part.begin, all.x + part.begin, part.count, all.first + part.begin},
                     step + ((kGradientDraws + addition) << 32));
  });
}

void StepAdamW(std::span<const AdamWTensor> tensors, const AdamWRule& rule, const Ops& ops,
               const ParallelTasks& parallel) {
  const std::vector<TaskPart> parts =
      Cut(tensors.size(), [&](size_t t) { return tensors[t].count; });
  parallel(std::ssize(parts), [&](int64_t task) {
    const TaskPart& part = parts[static_cast<size_t>(task)];
    LoopsOf(ops).step(PartOf(tensors[part.tensor], part, rule.bf16_moments), rule);
  });
}

}  // namespace cohort::kernels
