#include "rollout/cpu/weight_packing.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"

namespace cohort::rollout {

using kernels::kPanelColumns;

namespace {

at::Tensor Checked(const at::Tensor& tensor, const std::string& name, at::IntArrayRef shape) {
  if (!tensor.defined()) {
    throw Error(ErrorCode::kUsage, "the decoder was given no tensor '" + name + "'");
  }
  if (tensor.sizes() != shape) {
    std::ostringstream message;
    message << "tensor '" << name << "' has shape " << tensor.sizes()
            << ", the model's config asks for " << shape;
    throw Error(ErrorCode::kUsage, message.str());
  }
  return tensor.detach().to(at::kCPU, at::kFloat).contiguous();
}

}  // namespace

at::Tensor TakeTensor(policy::WeightSource& weights, const std::string& name,
                      at::IntArrayRef shape) {
  return Checked(weights.Take(name), name, shape);
}

std::vector<float> TakeNorm(policy::WeightSource& weights, const std::string& name, int64_t n,
                            bool adds_one) {
  std::vector<float> norm = TakeVector(weights, name, n);
  if (adds_one) {
    for (float& value : norm) value += 1.0F;
  }
  return norm;
}

at::Tensor TakeExpert(policy::WeightSource& weights, const std::string& name,
                      policy::ExpertIndex expert, at::IntArrayRef shape) {
  return Checked(weights.TakeExpert(name, expert), name + "[" + std::to_string(expert.index) + "]",
                 shape);
}

std::vector<float> TakeVector(policy::WeightSource& weights, const std::string& name, int64_t n) {
  const at::Tensor tensor = TakeTensor(weights, name, {n});
  return {tensor.data_ptr<float>(), tensor.data_ptr<float>() + n};
}

void PackRows(kernels::ThreadPool& pool, const RowsToPack& rows, PanelRun run,
              kernels::PackedMatrix* matrix) {
  pool.ParallelFor(kernels::PadToPanel(rows.count) / kPanelColumns, [&](int64_t panel, int) {
    const int64_t row = panel * kPanelColumns;
    matrix->PackPanel(run.first + panel * run.step, rows.data + row * rows.values, rows.values,
                      std::min(kPanelColumns, rows.count - row), rows.values);
  });
}

void PackTensor(kernels::ThreadPool& pool, const at::Tensor& tensor, PanelRun run,
                kernels::PackedMatrix* matrix) {
  PackRows(pool, {tensor.data_ptr<float>(), tensor.size(0), tensor.size(1)}, run, matrix);
}

}  // namespace cohort::rollout
