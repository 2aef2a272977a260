#include "policy/permute_rows.h"

#include <torch/torch.h>

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class PermuteFunction : public torch::autograd::Function<PermuteFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& order,
                            const at::Tensor& inverse) {
    context->save_for_backward({inverse});
    return x.index_select(0, order);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor inverse = context->get_saved_variables()[0];
    return {gradients[0].index_select(0, inverse), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor PermuteRows(const at::Tensor& x_TD, const at::Tensor& order_T,
                       const at::Tensor& inverse_T) {
  return PermuteFunction::apply(x_TD, order_T, inverse_T);
}

}  // namespace cohort::policy
