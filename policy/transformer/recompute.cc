#include "policy/transformer/recompute.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "base/error.h"
#include "policy/transformer/ops/saved_numerics.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;
using Function = std::function<at::Tensor(const at::Tensor&)>;

thread_local bool is_recomputing = false;

class RecomputingScope {
 public:
  RecomputingScope() : before_(std::exchange(is_recomputing, true)) {}
  ~RecomputingScope() { is_recomputing = before_; }
  RecomputingScope(const RecomputingScope&) = delete;
  RecomputingScope& operator=(const RecomputingScope&) = delete;

 private:
  bool before_;
};

// What the node of the graph holds beside its input.
struct KeptFunction : torch::CustomClassHolder {
  explicit KeptFunction(Function given) : function(std::move(given)) {}
  Function function;
};

constexpr char kFunction[] = "function";

struct RecomputedFunction : torch::autograd::Function<RecomputedFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_TD, at::TensorList parameters,
                            const c10::intrusive_ptr<KeptFunction>& kept) {
    variable_list saved{x_TD};
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data[kFunction] = c10::IValue::make_capsule(kept);
    SaveNumerics(ctx);
    return kept->function(x_TD);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const auto kept =
        c10::static_intrusive_pointer_cast<KeptFunction>(ctx->saved_data[kFunction].toCapsule());
    const Variable x_TD = saved[0].detach().set_requires_grad(ctx->needs_input_grad(0));
    variable_list inputs;
    if (x_TD.requires_grad()) inputs.push_back(x_TD);
    inputs.insert(inputs.end(), saved.begin() + 1, saved.end());
    at::Tensor out;
    {
      const at::AutoGradMode with_graph(true);
      const NumericsScope numerics(SavedNumerics(ctx));
      const RecomputingScope scope;
      out = kept->function(x_TD);
    }
    variable_list found = torch::autograd::grad({out}, inputs, {gradients[0]},
                                                /*retain_graph=*/false, /*create_graph=*/false,
                                                /*allow_unused=*/true);
    if (!x_TD.requires_grad()) found.insert(found.begin(), at::Tensor());
    found.emplace_back();  // of the function itself
    return found;
  }
};

}  // namespace

bool IsRecomputing() { return is_recomputing; }

at::Tensor Recomputed(Function function, const at::Tensor& x_TD,
                      const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> trained;
  for (const at::Tensor& parameter : parameters) {
    COHORT_CHECK(parameter.is_leaf(), "the parameters of a recomputed function are leaves");
    if (parameter.requires_grad()) trained.push_back(parameter);
  }
  return RecomputedFunction::apply(x_TD, at::TensorList(trained),
                                   c10::make_intrusive<KeptFunction>(std::move(function)));
}

}  // namespace cohort::policy
