#pragma once

// The worker's end of one UpdateWeights call: messages in, a verified set of weights out.

#include <grpcpp/support/status.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "policy/config/config.h"
#include "policy/weights/weight_source.h"
#include "policy/weights/weights.h"
#include "rollout/rollout.pb.h"

namespace cohort::rollout {

constexpr size_t kMaxChunkBytes = size_t{1} << 20;

// What adapters are added to, kept from one call to the next.
struct BaseWeights {
  uint64_t checksum = 0;      // WeightManifest::base_checksum; 0: there is none
  policy::WeightMap weights;  // which keep their memory alive
};

// Not thread-safe; one call's messages arrive one after another. Memory is bounded by what `config`
// says the weights weigh, and is taken only after the manifest has been checked against it.
class WeightReceiver {
 public:
  struct Options {
    uint64_t vocabulary_checksum = 0;  // of the worker's tokenizer; 0: it has none
    uint64_t base_checksum = 0;        // of the base that the worker keeps
    int threads = 0;                   // that check what came; 0: all cores
  };
  explicit WeightReceiver(const policy::ModelConfig& config);
  WeightReceiver(const policy::ModelConfig& config, const Options& options);

  // INVALID_ARGUMENT: a manifest or message that breaks the protocol, or weights of another model
  // than the worker's (handshake.h). DATA_LOSS: a chunk that is damaged, missing, out of order or
  // outside the image. NOT_FOUND: no such shared memory here. ABORTED: adapters of another base.
  grpc::Status Accept(const v1::WeightChunk& chunk);
  // After the last message: DATA_LOSS when bytes are missing or a tensor's checksum fails;
  // OUT_OF_RANGE naming the tensor that holds NaN or an infinity.
  grpc::Status Finish() const;

  int64_t policy_version() const { return manifest_.policy_version(); }
  bool is_base() const { return manifest_.content() == v1::WEIGHT_CONTENT_BASE; }
  bool adapters() const { return manifest_.content() == v1::WEIGHT_CONTENT_ADAPTERS; }
  // After Finish said OK. The tensors keep the image alive.
  policy::WeightMap Weights() const;
  // The policy: of whole weights these alone, of adapters `base` and them.
  std::unique_ptr<policy::WeightSource> PolicyWith(const BaseWeights& base) const;
  BaseWeights Base() const { return {manifest_.base_checksum(), Weights()}; }

 private:
  grpc::Status AcceptFirst(const v1::WeightChunk& chunk);

  policy::ModelConfig config_;
  Options options_;
  bool started_ = false;
  v1::WeightManifest manifest_;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> image_;
  std::byte* buffer_ = nullptr;  // null on the shared-memory path
  uint64_t received_ = 0;        // chunks come in order: bytes [0, received_) are here
};

}  // namespace cohort::rollout
