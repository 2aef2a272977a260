#include "rl/fleet/published_weights.h"

#include <algorithm>
#include <memory>
#include <thread>

#include "base/durable_file.h"
#include "base/error.h"
#include "rollout/weight_sync/weight_image.h"
#include "rollout/weight_sync/weight_receiver.h"

namespace cohort::rl {
namespace {

using Clock = std::chrono::steady_clock;

// False: the worker has ended the call; Finish says why.
template <class Writer>
bool SendChunks(Writer& writer, const PublishedWeights& weights) {
  const std::span<const std::byte> bytes = weights.bytes();
  rollout::v1::WeightChunk chunk;
  *chunk.mutable_manifest() = weights.manifest();
  if (!writer.Write(chunk)) return false;
  chunk.clear_manifest();
  for (size_t offset = 0; offset < bytes.size(); offset += rollout::kMaxChunkBytes) {
    const size_t size = std::min(rollout::kMaxChunkBytes, bytes.size() - offset);
    chunk.set_offset(offset);
    chunk.set_data(bytes.data() + offset, size);
    chunk.set_checksum(base::Checksum(chunk.data()));
    if (!writer.Write(chunk)) return false;
  }
  return true;
}

grpc::Status SendOnce(rollout::v1::Rollout::StubInterface& stub, CancellableCalls& calls,
                      const PublishedWeights& weights, bool by_path,
                      std::chrono::milliseconds deadline) {
  CancellableCalls::Context context(calls, deadline);
  rollout::v1::UpdateWeightsReply reply;
  const auto writer = stub.UpdateWeights(&*context, &reply);
  if (by_path) {
    rollout::v1::WeightChunk chunk;
    *chunk.mutable_manifest() = weights.manifest();
    chunk.set_shared_memory_path(weights.shared_path());
    writer->Write(chunk);
  } else {
    SendChunks(*writer, weights);
  }
  writer->WritesDone();
  grpc::Status status = writer->Finish();
  if (status.ok() && reply.policy_version() != weights.version()) {
    status = {grpc::StatusCode::INTERNAL, "the worker reports another version than was sent"};
  }
  return status;
}

}  // namespace

PublishedWeights::PublishedWeights(const policy::WeightMap& weights,
                                   const rollout::v1::WeightManifest& heading, policy::Dtype dtype,
                                   std::unique_ptr<rollout::SharedImage> recycled)
    : manifest_(rollout::PlanImage(weights, heading.policy_version(), dtype)),
      image_(std::move(recycled)) {
  COHORT_CHECK(version() >= 1, "published weights have a version of 1 or more");
  manifest_.MergeFrom(heading);
  if (image_ == nullptr || image_->bytes().size() != manifest_.total_bytes()) {
    image_.reset();  // before its successor takes as much again
    image_ = std::make_unique<rollout::SharedImage>(manifest_.total_bytes());
  }
  rollout::WriteImage(weights, image_->bytes(), &manifest_);
  if (manifest_.content() == rollout::v1::WEIGHT_CONTENT_BASE) {
    manifest_.set_base_checksum(rollout::BaseChecksum(manifest_));
  }
}

grpc::Status SendWeights(rollout::v1::Rollout::StubInterface& stub, CancellableCalls& calls,
                         const PublishedWeights& weights, const SendOptions& options) {
  const Clock::time_point end = Clock::now() + options.deadline;
  bool by_path = options.same_host && !weights.shared_path().empty();
  std::chrono::milliseconds pause{100};
  for (int attempt = 1;; ++attempt) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    grpc::Status status = SendOnce(stub, calls, weights, by_path, left);
    // NOT_FOUND: a worker that shares our address but not our /dev/shm, as in a container.
    if (by_path && status.error_code() == grpc::StatusCode::NOT_FOUND) {
      by_path = false;
      status = SendOnce(stub, calls, weights, by_path, left);
    }
    const bool altered = status.error_code() == grpc::StatusCode::DATA_LOSS;
    if (altered) by_path = false;
    const bool retry = (altered || status.error_code() == grpc::StatusCode::UNAVAILABLE) &&
                       attempt < options.max_attempts && Clock::now() + pause < end;
    if (!retry) return status;
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(1000));
  }
}

}  // namespace cohort::rl
