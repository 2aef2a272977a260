#include "rl/run/round_kind.h"

#include "base/error.h"

namespace cohort::rl {

RoundKind KindOf(const proto::Round& spec) {
  if (spec.kind() == "sft") return RoundKind::kSft;
  if (spec.kind() == "grpo") return RoundKind::kGrpo;
  COHORT_CHECK(spec.kind() == "rejection_sft", "a round's kind is one of recipe.proto");
  return RoundKind::kRejectionSft;
}

const std::string& KindName(const proto::Round& spec) { return spec.kind(); }

}  // namespace cohort::rl
