#include "policy/matmul.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/torch.h>

#include <optional>
#include <string_view>

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Below this many multiply-adds a call of oneDNN costs more than it saves (measured).
constexpr int64_t kLargeProduct = int64_t{1} << 21;

using LinearSchema = at::Tensor(const at::Tensor&, const at::Tensor&,
                                const std::optional<at::Tensor>&, std::string_view,
                                c10::List<std::optional<at::Scalar>>,
                                std::optional<std::string_view>);

// oneDNN's linear, where this LibTorch has it.
const std::optional<c10::TypedOperatorHandle<LinearSchema>>& OneDnnLinear() {
  static const auto handle = []() -> std::optional<c10::TypedOperatorHandle<LinearSchema>> {
    const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!found.has_value() || !at::globalContext().hasMKLDNN()) return std::nullopt;
    return found->typed<LinearSchema>();
  }();
  return handle;
}

bool SuitsOneDnn(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == at::kFloat && a.is_cpu() &&
         a.size(0) * a.size(1) * b.size(0) >= kLargeProduct && OneDnnLinear().has_value();
}

class ProjectFunction : public torch::autograd::Function<ProjectFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight) {
    context->save_for_backward({x, weight});
    return MatmulNt(x, weight);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    at::Tensor d_x, d_weight;
    if (context->needs_input_grad(0)) d_x = MatmulNt(gradients[0], weight.t());
    if (context->needs_input_grad(1)) d_weight = MatmulNt(gradients[0].t(), x.t());
    return {d_x, d_weight};
  }
};

}  // namespace

at::Tensor MatmulNt(const at::Tensor& a_MK, const at::Tensor& b_NK) {
  if (!SuitsOneDnn(a_MK, b_NK)) return at::mm(a_MK, b_NK.t());
  const at::NoGradGuard no_grad;
  return OneDnnLinear()->call(a_MK, b_NK, std::nullopt, "none",
                              c10::List<std::optional<at::Scalar>>(), "");
}

void MatmulNtInto(at::Tensor out_MN, const at::Tensor& a_MK, const at::Tensor& b_NK) {
  if (SuitsOneDnn(a_MK, b_NK)) {
    out_MN.copy_(MatmulNt(a_MK, b_NK));
  } else {
    at::mm_out(out_MN, a_MK, b_NK.t());
  }
}

at::Tensor Project(const at::Tensor& x_MK, const at::Tensor& weight_NK) {
  return ProjectFunction::apply(x_MK, weight_NK);
}

}  // namespace cohort::policy
