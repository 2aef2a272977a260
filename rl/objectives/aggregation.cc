#include "rl/objectives/aggregation.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full_like.h>

#include <algorithm>

#include "base/error.h"

namespace cohort::rl {

at::Tensor TokenWeights(const proto::Objective& objective, const PackedSamples& samples,
                        const StepTotals& totals, const at::Tensor& like) {
  const double num_tokens = static_cast<double>(std::max<int64_t>(totals.num_tokens, 1));
  const double num_samples = static_cast<double>(std::max<int64_t>(totals.num_samples, 1));
  const auto constant = [&](double weight) {
    return at::full_like(samples.sequence_index_T, weight, like.options().requires_grad(false));
  };
  switch (objective.aggregation()) {
    case proto::Objective::AGGREGATION_TOKEN_MEAN:  // arXiv 2503.14476, eq. 12
      return constant(1 / num_tokens);
    case proto::Objective::AGGREGATION_SEQUENCE_MEAN:  // arXiv 2402.03300, eq. 3
      return samples.SpreadToTokens(1 / (samples.Lengths(like) * num_samples));
    case proto::Objective::AGGREGATION_SEQUENCE_SUM:
      return constant(1 / num_samples);
    case proto::Objective::AGGREGATION_CONSTANT_LENGTH:  // arXiv 2503.20783, appendix A
      return constant(1 / (num_samples * static_cast<double>(objective.max_length())));
  }
  COHORT_CHECK(false, "no aggregation was chosen");
}

}  // namespace cohort::rl
