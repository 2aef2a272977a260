#pragma once

// The learner's end of UpdateWeights: one image of a version, of whole weights, adapters or their
// base, sent to every worker.

#include <grpcpp/support/status.h>

#include <chrono>
#include <cstdint>
#include <memory>

#include "policy/weights/weights.h"
#include "rl/fleet/cancellable_calls.h"
#include "rollout/rollout.grpc.pb.h"
#include "rollout/weight_dtype.h"
#include "rollout/weight_sync/shared_image.h"

namespace cohort::rl {

// One version, written once: into shared memory where there is room, else into plain memory.
// Immutable until its image is taken; safe to share between threads.
class PublishedWeights {
 public:
  // `heading`: who publishes (rollout/weight_sync/handshake.h), and a version of 1 or more.
  // `dtype`: how the workers store weights, to which tensors are rounded. Errors: kEnvironment when
  // memory does not suffice.
  // `recycled`: an image that nobody reads any more, written over where its size fits, so that
  // there is one; new pages are slow to get, too.
  PublishedWeights(const policy::WeightMap& weights, const rollout::v1::WeightManifest& heading,
                   policy::Dtype dtype, std::unique_ptr<rollout::SharedImage> recycled = nullptr);

  const rollout::v1::WeightManifest& manifest() const { return manifest_; }
  int64_t version() const { return manifest_.policy_version(); }
  std::span<const std::byte> bytes() const { return image_->bytes(); }
  std::unique_ptr<rollout::SharedImage> TakeImage() && { return std::move(image_); }
  std::string shared_path() const { return image_->path(); }  // empty: not shared

 private:
  rollout::v1::WeightManifest manifest_;
  std::unique_ptr<rollout::SharedImage> image_;
};

struct SendOptions {
  bool same_host = false;                       // try shared memory first
  std::chrono::milliseconds deadline{600'000};  // all attempts together
  // UNAVAILABLE, and DATA_LOSS of an image that was altered on its way; 0.1 s, 0.2 s, ... between.
  int max_attempts = 4;
};

// Blocks until the worker samples from `weights` (or, where they are a base, keeps them), or says
// why not. Thread-safe.
grpc::Status SendWeights(rollout::v1::Rollout::StubInterface& stub, CancellableCalls& calls,
                         const PublishedWeights& weights, const SendOptions& options);

}  // namespace cohort::rl
