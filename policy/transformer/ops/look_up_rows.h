#pragma once

#include <ATen/core/Tensor.h>

namespace cohort::policy {

// Rows `ids_T` of a table, in `dtype`: at::embedding, whose row `pad_id` takes no gradient (-1:
// none). The gradient of a bf16 table is added up in the dtype of the rows, and rounded at the end.
at::Tensor LookUpRows(const at::Tensor& table_VD, const at::Tensor& ids_T, int64_t pad_id,
                      at::ScalarType dtype);

}  // namespace cohort::policy
