#pragma once

#include <cstdint>
#include <vector>

#include "policy/config/fields.h"

namespace cohort::policy {

// The layers that layer_types, which is there, calls full_attention, ascending. It must call each
// of the others `other`; deepseek_v32's indexed_attention counts as full, since within index_topk
// tokens it sees all (policy/config/attention.h).
std::vector<int64_t> ReadFullLayers(const ConfigFields& fields, int64_t num_layers,
                                    const char* other);

}  // namespace cohort::policy
