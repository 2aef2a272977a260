#include "policy/transformer/ops/look_up_rows.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class WideRowsFunction : public torch::autograd::Function<WideRowsFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& table,
                            const at::Tensor& ids, int64_t pad_id, at::ScalarType dtype) {
    context->save_for_backward({ids});
    context->saved_data["rows"] = table.size(0);
    context->saved_data["pad_id"] = pad_id;
    return at::embedding(table, ids, pad_id).to(dtype);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor sums = at::embedding_dense_backward(
        gradients[0], context->get_saved_variables()[0], context->saved_data["rows"].toInt(),
        context->saved_data["pad_id"].toInt(), /*scale_grad_by_freq=*/false);
    return {sums.to(at::kBFloat16), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor LookUpRows(const at::Tensor& table_VD, const at::Tensor& ids_T, int64_t pad_id,
                      at::ScalarType dtype) {
  if (table_VD.scalar_type() == dtype) return at::embedding(table_VD, ids_T, pad_id);
  return WideRowsFunction::apply(table_VD, ids_T, pad_id, dtype);
}

}  // namespace cohort::policy
