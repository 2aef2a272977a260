#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "rl/learner/ranks.h"

namespace cohort::rl {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  // Decoupled; of tensors of two or more dimensions, but not of routed experts' biases.
  double weight_decay = 0;
  double max_grad_norm = 1;  // global 2-norm; 0 = off
  // The moments are kept in bf16 (4 bytes a parameter, not 8), rounded by chance with the right
  // mean (kernels/cpu/adamw.h). On the CPU only.
  bool bf16_moments = false;
  // False: a bf16 parameter has no fp32 master. It is stepped in fp32 and rounded by chance, its
  // gradients are bf16 and added up likewise: 4 bytes a parameter, not 8, and as many for them as
  // a bf16 one with its master. On the CPU only.
  bool masters = true;
};

struct NamedParameter {
  std::string name;
  at::Tensor tensor;  // fp32 or bf16, requires grad
  // The fp32 values that a bf16 tensor was rounded from; undefined: the tensor's own.
  at::Tensor master = {};
};

struct OptimizerStep {
  double grad_norm = 0;  // before clipping
  std::string skipped;   // empty, or why nothing was changed: names the first bad gradient
};

// AdamW (arXiv 1711.05101, algorithm 2) with bias correction. Owned by one thread; shares the
// parameters' storage with the model and changes it in place. A bf16 parameter has an fp32 master
// copy: gradients are summed, the step is computed and small changes add up in fp32, and the
// parameter is the master rounded (arXiv 1710.03740 section 3.1); or none, where options say so.
class AdamW {
 public:
  // Errors: kUsage for a parameter of another dtype, or what is rounded by chance on another
  // device.
  AdamW(std::vector<NamedParameter> parameters, const AdamWOptions& options);

  // Moves the gradients of bf16 parameters into their sums: called after each backward pass.
  void AccumulateGradients();
  // Gradients of all ranks together. A rank where no token reached a parameter adds nothing to it.
  void SumGradients(Ranks& ranks);

  // Clips, applies one step, and drops the gradients. A parameter without a gradient is left alone.
  // Where a gradient is not finite the step is skipped whole: no parameter, moment or count
  // changes.
  OptimizerStep Step(double learning_rate);

  // What a backward pass has left is forgotten; nothing else changes.
  void DropGradients();

  int64_t steps() const;  // steps applied, skipped ones not counted
  // Moments and steps become zero; master copies stay.
  void Reset();

  // "step" (int64, [1]), per parameter "exp_avg.NAME" and "exp_avg_sq.NAME", and "master.NAME" for
  // a bf16 one, fp32 but for moments in bf16: live tensors, not copies. LoadState copies in; what
  // follows is then bit for bit what would have followed. Moments of the other dtype are converted.
  // Errors of LoadState: kUsage naming the tensor that is missing, unexpected or of another shape.
  std::map<std::string, at::Tensor> State() const;
  void LoadState(const std::map<std::string, at::Tensor>& state);

 private:
  struct Slot {
    std::string name;
    at::Tensor parameter;
    at::Tensor master;       // fp32, holds the gradient; the parameter itself where it has none
    int64_t first;           // of its moments among those of all
    at::Tensor sum = {};     // of bf16 gradients, without a master
    uint64_t additions = 0;  // to the sum so far

    bool has_own_master() const { return !master.is_same(parameter); }
    bool is_bf16() const { return master.scalar_type() == at::kBFloat16; }
    at::Tensor& gradient() { return is_bf16() ? sum : master.mutable_grad(); }
    const at::Tensor& gradient() const { return is_bf16() ? sum : master.grad(); }
    at::Tensor Of(const at::Tensor& moments) const;  // a view in the master's shape
  };
  void AddUpInBf16();
  void RoundMasters();

  std::vector<Slot> slots_;
  AdamWOptions options_;
  at::Tensor step_;  // int64 [1]
  // All slots' one after the other, each from a whole block of kernels::kDrawBlock on.
  at::Tensor exp_avg_, exp_avg_sq_;
};

}  // namespace cohort::rl
