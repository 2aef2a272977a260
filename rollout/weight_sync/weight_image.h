#pragma once

// One weights version as a flat byte image and the manifest that says what lies where
// (rollout.proto: WeightManifest). Both ends of UpdateWeights speak it. Functions are thread-safe.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "policy/config/config.h"
#include "policy/weights/weights.h"
#include "rollout/rollout.pb.h"
#include "rollout/weight_dtype.h"

namespace cohort::rollout {

// Layout of `weights`: tensors in map order, each at a multiple of 64 bytes. A tensor has the dtype
// that a worker of `worker_dtype` keeps it in (weight_dtype.h), or bfloat16 where it already is.
// Checksums are still 0. kInternal for weights of another dtype than float32 and bfloat16.
v1::WeightManifest PlanImage(const policy::WeightMap& weights, int64_t policy_version,
                             policy::Dtype worker_dtype);

// Copies the tensors to their places, rounding to nearest even where the manifest says bfloat16,
// zeroes the gaps and sets the manifest's checksums.
void WriteImage(const policy::WeightMap& weights, std::span<std::byte> image,
                v1::WeightManifest* manifest);

// The name of the base that a written manifest describes, never 0.
uint64_t BaseChecksum(const v1::WeightManifest& manifest);

// A manifest from outside, before anything is allocated for it: known dtypes, sizes that follow
// from the shapes, no overlap, in range, and exactly the tensors of `config`, or adapters that fit
// it. kUsage naming the tensor.
void CheckManifest(const v1::WeightManifest& manifest, const policy::ModelConfig& config);

// The first tensor whose checksum does not hold, and the first other one that holds NaN or an
// infinity; "" where there is none.
struct ImageFaults {
  std::string damaged;
  std::string not_finite;
};
// In one pass. `manifest` has passed CheckManifest and the image has its total_bytes. `threads`: 0
// for all cores.
ImageFaults FindFaults(const v1::WeightManifest& manifest, std::span<const std::byte> image,
                       int threads = 0);

// Tensors that lie in the image, without a copy; they keep `owner` alive.
policy::WeightMap ViewImage(const v1::WeightManifest& manifest, std::span<const std::byte> image,
                            std::shared_ptr<const void> owner);

}  // namespace cohort::rollout
