#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace cohort::rl {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0;   // decoupled; tensors of two or more dimensions only
  double max_grad_norm = 1;  // global 2-norm; 0 = off
};

struct NamedParameter {
  std::string name;
  at::Tensor tensor;  // fp32, requires grad
};

struct OptimizerStep {
  double grad_norm = 0;  // before clipping
  std::string skipped;   // empty, or why nothing was changed: names the first bad gradient
};

// AdamW (arXiv 1711.05101, algorithm 2) with bias correction. Owned by one thread; shares the
// parameters' storage with the model and changes it in place.
class AdamW {
 public:
  // Errors: kUsage for a parameter that is not fp32.
  AdamW(std::vector<NamedParameter> parameters, const AdamWOptions& options);

  // Clips, applies one step, and drops the gradients. A parameter without a gradient is left alone.
  // Where a gradient is not finite the step is skipped whole: no parameter, moment or count
  // changes.
  OptimizerStep Step(double learning_rate);
  void ZeroGrad();

  int64_t steps() const;  // steps applied, skipped ones not counted

  // "step" (int64, [1]) and per parameter "exp_avg.NAME", "exp_avg_sq.NAME" (fp32): live tensors,
  // not copies. LoadState copies in; what follows is then bit for bit what would have followed.
  // Errors of LoadState: kUsage naming the tensor that is missing, unexpected or of another shape.
  std::map<std::string, at::Tensor> State() const;
  void LoadState(const std::map<std::string, at::Tensor>& state);

 private:
  struct Slot {
    NamedParameter parameter;
    at::Tensor exp_avg;
    at::Tensor exp_avg_sq;
  };
  void Apply(double learning_rate, double weight_decay, bool matrices, double grad_divisor);

  std::vector<Slot> slots_;
  AdamWOptions options_;
  at::Tensor step_;  // int64 [1]
};

}  // namespace cohort::rl
