#pragma once

#include <ATen/core/Tensor.h>

namespace cohort::policy {

// out[i] = x[order[i]], `inverse` being the permutation that undoes `order`. Unlike index_select,
// the gradient is a gather too (no scatter-add).
at::Tensor PermuteRows(const at::Tensor& x_TD, const at::Tensor& order_T,
                       const at::Tensor& inverse_T);

}  // namespace cohort::policy
