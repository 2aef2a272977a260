#include "rollout/weight_sync/weight_receiver.h"

#include <cstring>
#include <new>
#include <string>

#include "base/durable_file.h"
#include "base/error.h"
#include "policy/lora/merge.h"
#include "rollout/weight_sync/handshake.h"
#include "rollout/weight_sync/shared_image.h"
#include "rollout/weight_sync/weight_image.h"

namespace cohort::rollout {
namespace {

grpc::Status DataLoss(const std::string& message) {
  return {grpc::StatusCode::DATA_LOSS, message + "; the worker keeps its old weights"};
}

}  // namespace

WeightReceiver::WeightReceiver(const policy::ModelConfig& config)
    : WeightReceiver(config, Options()) {}

WeightReceiver::WeightReceiver(const policy::ModelConfig& config, const Options& options)
    : config_(config), options_(options) {}

grpc::Status WeightReceiver::AcceptFirst(const v1::WeightChunk& chunk) {
  if (!chunk.has_manifest()) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "the first WeightChunk must carry the manifest"};
  }
  const std::string disagreement =
      Disagreement(chunk.manifest(), config_, options_.vocabulary_checksum);
  if (!disagreement.empty()) return {grpc::StatusCode::INVALID_ARGUMENT, disagreement};
  try {
    CheckManifest(chunk.manifest(), config_);
    manifest_ = chunk.manifest();
    if (adapters() && manifest_.base_checksum() != options_.base_checksum) {
      return {grpc::StatusCode::ABORTED, options_.base_checksum == 0
                                             ? "the worker keeps no base to add adapters to"
                                             : "the worker keeps another base than the adapters'"};
    }
    started_ = true;
    if (!chunk.shared_memory_path().empty()) {
      auto mapped =
          std::make_shared<MappedImage>(chunk.shared_memory_path(), manifest_.total_bytes());
      image_ = mapped->bytes();
      owner_ = std::move(mapped);
      received_ = manifest_.total_bytes();
      return grpc::Status::OK;
    }
    std::shared_ptr<std::byte[]> buffer(
        new (std::align_val_t{64}) std::byte[manifest_.total_bytes()],
        [](std::byte* data) { ::operator delete[](data, std::align_val_t{64}); });
    buffer_ = buffer.get();
    image_ = {buffer_, manifest_.total_bytes()};
    owner_ = std::move(buffer);
    return grpc::Status::OK;
  } catch (const Error& error) {
    const bool absent = error.code() == ErrorCode::kUnavailable;
    return {absent ? grpc::StatusCode::NOT_FOUND : grpc::StatusCode::INVALID_ARGUMENT,
            error.what()};
  } catch (const std::bad_alloc&) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED,
            "no memory for " + std::to_string(chunk.manifest().total_bytes()) +
                " bytes of new weights; the worker keeps its old ones"};
  }
}

grpc::Status WeightReceiver::Accept(const v1::WeightChunk& chunk) {
  if (!started_) {
    if (const grpc::Status status = AcceptFirst(chunk); !status.ok()) return status;
  } else if (chunk.has_manifest() || !chunk.shared_memory_path().empty()) {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "only the first WeightChunk may carry a manifest or a path"};
  }
  if (chunk.data().empty()) return grpc::Status::OK;
  const std::string where = "weight chunk at byte " + std::to_string(chunk.offset());
  if (buffer_ == nullptr) {
    return {grpc::StatusCode::INVALID_ARGUMENT, where + " after a shared-memory path"};
  }
  if (chunk.data().size() > kMaxChunkBytes) {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            where + " has more than " + std::to_string(kMaxChunkBytes) + " bytes"};
  }
  if (chunk.offset() != received_) {
    return DataLoss(where + ": expected the one at byte " + std::to_string(received_));
  }
  if (chunk.data().size() > image_.size() - received_) {
    return DataLoss(where + " ends beyond the image of " + std::to_string(image_.size()) +
                    " bytes");
  }
  if (base::Checksum(chunk.data()) != chunk.checksum()) {
    return DataLoss(where + " does not match its checksum");
  }
  std::memcpy(buffer_ + received_, chunk.data().data(), chunk.data().size());
  received_ += chunk.data().size();
  return grpc::Status::OK;
}

grpc::Status WeightReceiver::Finish() const {
  if (!started_) return {grpc::StatusCode::INVALID_ARGUMENT, "no WeightChunk was sent"};
  if (received_ != image_.size()) {
    return DataLoss("the weights ended at byte " + std::to_string(received_) + " of " +
                    std::to_string(image_.size()));
  }
  const ImageFaults faults = FindFaults(manifest_, image_, options_.threads);
  const std::string of_version = "' of weights version " + std::to_string(policy_version());
  if (!faults.damaged.empty()) {
    return DataLoss("tensor '" + faults.damaged + of_version + " does not match its checksum");
  }
  if (is_base() && manifest_.base_checksum() != BaseChecksum(manifest_)) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "the base has another checksum than its manifest"};
  }
  if (faults.not_finite.empty()) return grpc::Status::OK;
  return {grpc::StatusCode::OUT_OF_RANGE,
          "tensor '" + faults.not_finite + of_version +
              " holds NaN or an infinity; the worker keeps its old weights"};
}

policy::WeightMap WeightReceiver::Weights() const {
  COHORT_CHECK(started_ && received_ == image_.size(), "the image is complete");
  return ViewImage(manifest_, image_, owner_);
}

std::unique_ptr<policy::WeightSource> WeightReceiver::PolicyWith(const BaseWeights& base) const {
  if (!adapters()) return std::make_unique<policy::WeightsInMemory>(Weights());
  return std::make_unique<policy::AdaptedWeights>(base.weights, Weights(),
                                                  manifest_.adapter_scale(), config_);
}

}  // namespace cohort::rollout
