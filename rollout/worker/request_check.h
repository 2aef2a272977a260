#pragma once

// The edge between the wire's messages and the decoder's own types.

#include <grpcpp/support/status.h>

#include <vector>

#include "policy/config/config.h"
#include "rollout/request.h"
#include "rollout/rollout.pb.h"

namespace cohort::rollout {

// A request from outside as the decoder wants it: counts, lengths, ids and ranges are checked
// first. INVALID_ARGUMENT names the first group or parameter that is wrong, and what was expected.
grpc::Status CheckRequest(const v1::GenerateRequest& request, const policy::ModelConfig& config,
                          std::vector<GroupRequest>* groups);

// The wire's form of what the decoder returns.
v1::Completion ToMessage(const SampledCompletion& completion);

}  // namespace cohort::rollout
