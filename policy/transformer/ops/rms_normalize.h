#pragma once

#include <ATen/core/Tensor.h>

namespace cohort::policy {

// weight * x / sqrt(mean(x^2) + eps) over the last dimension (arXiv 1910.07467), in fp32; the
// normalised value is rounded to x's dtype before it meets the weight, as transformers does.
at::Tensor RmsNormalize(const at::Tensor& x_TD, const at::Tensor& weight_D, double eps);

}  // namespace cohort::policy
