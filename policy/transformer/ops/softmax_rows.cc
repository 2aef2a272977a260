#include "policy/transformer/ops/softmax_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/log_softmax.h>

#include <algorithm>
#include <cmath>

#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

namespace cohort::policy {
namespace {

// Rows of fp32 on the CPU.
class PlainRows {
 public:
  explicit PlainRows(const LogitRows& rows)
      : count_(rows.logits_NV.size(0)),
        vocab_size_(rows.logits_NV.size(1)),
        logits_(rows.logits_NV.const_data_ptr<float>()),
        targets_(rows.targets_N.const_data_ptr<int64_t>()) {}

  int64_t vocab_size() const { return vocab_size_; }
  const float* logits(int64_t row) const { return logits_ + row * vocab_size_; }
  int64_t target(int64_t row) const { return targets_[row]; }

  int64_t count() const { return count_; }

 private:
  int64_t count_, vocab_size_;
  const float* logits_;
  const int64_t* targets_;
};

void NormalizeByKernels(const LogitRows& rows, const NormalizedRows& out) {
  const kernels::Ops& ops = kernels::BestOps();
  const PlainRows plain(rows);
  const int64_t n = plain.vocab_size();
  const auto temperature = static_cast<float>(rows.temperature);
  float* logprobs = out.logprobs.mutable_data_ptr<float>();
  float* entropy = out.entropy.mutable_data_ptr<float>();
  float* largest = out.scale.max.mutable_data_ptr<float>();
  float* sums = out.scale.sum.mutable_data_ptr<float>();
  ForEachRow(plain.count(), [&](int64_t i) {
    const float* logits = plain.logits(i);
    const float max = ops.max_scaled(logits, temperature, n);
    double sum = 0, weighted_sum = 0;
    for (int64_t first = 0; first < n; first += kernels::kLogitsAtOnce) {
      float part, weighted_part;
      ops.softmax_sums(logits + first, temperature, max,
                       std::min(kernels::kLogitsAtOnce, n - first), &part, &weighted_part);
      sum += part;
      weighted_sum += weighted_part;
    }
    const double log_sum = std::log(sum);
    const double scaled = logits[plain.target(i)] / temperature;
    logprobs[i] = static_cast<float>(scaled - static_cast<double>(max) - log_sum);
    entropy[i] = static_cast<float>(log_sum - weighted_sum / sum);
    largest[i] = max;
    sums[i] = static_cast<float>(sum);
  });
}

void NormalizeByLibTorch(const LogitRows& rows, const NormalizedRows& out) {
  const at::Tensor scaled = rows.logits_NV / rows.temperature;
  const at::Tensor logprobs = at::log_softmax(scaled, 1);
  out.logprobs.copy_(logprobs.gather(1, rows.targets_N.unsqueeze(1)).squeeze(1));
  out.entropy.copy_(-(logprobs.exp() * logprobs).sum(1));
  out.scale.max.copy_(scaled.amax(1));
  out.scale.sum.copy_((scaled - out.scale.max.unsqueeze(1)).exp_().sum(1));
}

at::Tensor GradientByKernels(const LogitRows& rows, const RowScale& scale,
                             const at::Tensor& weight_N) {
  const at::Tensor out = at::empty_like(rows.logits_NV);
  const PlainRows plain(rows);
  const int64_t n = plain.vocab_size();
  const auto temperature = static_cast<float>(rows.temperature);
  const float* max = scale.max.const_data_ptr<float>();
  const float* sum = scale.sum.const_data_ptr<float>();
  const float* weight = weight_N.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  ForEachRow(plain.count(), [&](int64_t i) {
    float* row = to + i * n;
    kernels::BestOps().softmax_times(plain.logits(i), temperature, max[i], -weight[i] / sum[i], n,
                                     row);
    row[plain.target(i)] += weight[i];
  });
  return out;
}

at::Tensor GradientByLibTorch(const LogitRows& rows, const RowScale& scale,
                              const at::Tensor& weight_N) {
  const at::Tensor weight = weight_N.unsqueeze(1);
  at::Tensor out = (rows.logits_NV / rows.temperature - scale.max.unsqueeze(1)).exp_();
  return out.mul_(-weight / scale.sum.unsqueeze(1))
      .scatter_add_(1, rows.targets_N.unsqueeze(1), weight);
}

}  // namespace

void Normalize(const LogitRows& rows, const NormalizedRows& out) {
  switch (BackendFor(rows.logits_NV)) {
    case Backend::kOwnCpu:
      return NormalizeByKernels(rows, out);
    case Backend::kLibTorch:
      return NormalizeByLibTorch(rows, out);
  }
}

at::Tensor LogitGradient(const LogitRows& rows, const RowScale& scale, const at::Tensor& weight_N) {
  switch (BackendFor(rows.logits_NV)) {
    case Backend::kOwnCpu:
      return GradientByKernels(rows, scale, weight_N);
    case Backend::kLibTorch:
      return GradientByLibTorch(rows, scale, weight_N);
  }
  return {};
}

}  // namespace cohort::policy
