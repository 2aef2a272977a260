#pragma once

// Activation checkpointing (arXiv 1604.06174): what a function makes of its input is not kept for
// the backward pass but computed again there.

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace cohort::policy {

// function(x_TD), of which x_TD alone is kept. Its gradients, those of the leaves `parameters` that
// the function reads included, are bit for bit those of function(x_TD) with its activations kept,
// as long as a second call computes what the first did. `function` is kept until the backward pass
// and called once more in it, in its thread.
at::Tensor Recomputed(std::function<at::Tensor(const at::Tensor&)> function, const at::Tensor& x_TD,
                      const std::vector<at::Tensor>& parameters);

// True during that second call, in its thread: what counts tokens counts those of the first alone.
bool IsRecomputing();

}  // namespace cohort::policy
