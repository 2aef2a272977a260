#pragma once

// A model's tensors one at a time: whoever repacks them never has the model in memory twice.

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>

#include "policy/weights/fp8_blocks.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

// One of a layer's fused experts.
struct ExpertIndex {
  int64_t index = 0;
  int64_t count = 0;
};

// Names, shapes and fusion of policy/weights/weights.h; any floating dtype. What is taken belongs
// to the taker, and may be given only once.
class WeightSource {
 public:
  WeightSource() = default;
  WeightSource(const WeightSource&) = delete;
  WeightSource& operator=(const WeightSource&) = delete;
  virtual ~WeightSource() = default;

  // Undefined where the model has no such tensor.
  virtual at::Tensor Take(const std::string& name) = 0;
  // A slice of a layer's fused experts, in their order; undefined where there is no tensor of so
  // many.
  virtual at::Tensor TakeExpert(const std::string& name, ExpertIndex expert) = 0;
  // Values and scales of a tensor of experts or of a matrix, where a folder has it in FP8, else
  // undefined: QuantizeFp8Tensor in policy/weights/fp8_blocks.h has the layout.
  virtual Fp8Matrix TakeFp8(const std::string& /*name*/) { return {}; }
  // Every tensor, read in parallel.
  virtual WeightMap TakeAll() = 0;
};

// Lets each tensor go as it is taken.
class WeightsInMemory final : public WeightSource {
 public:
  explicit WeightsInMemory(WeightMap weights) : weights_(std::move(weights)) {}

  at::Tensor Take(const std::string& name) override;
  at::Tensor TakeExpert(const std::string& name, ExpertIndex expert) override;
  WeightMap TakeAll() override { return std::move(weights_); }

 private:
  WeightMap weights_;
};

}  // namespace cohort::policy
