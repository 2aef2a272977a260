#pragma once

// A worker's service on a port of this process, and calls to it.

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/durable_file.h"
#include "base/listen.h"
#include "rollout/cpu/cpu_decoder.h"
#include "rollout/weight_sync/handshake.h"
#include "rollout/weight_sync/weight_image.h"
#include "rollout/worker/service.h"
#include "tests/rollout/tiny_policy.h"

namespace cohort::rollout {

using namespace std::chrono_literals;

struct Reply {
  grpc::Status status;
  std::vector<v1::Completion> completions;
};

inline v1::GenerateRequest Request(size_t samples, uint32_t max_new_tokens) {
  v1::GenerateRequest request;
  request.mutable_sampling()->set_temperature(1);
  request.mutable_sampling()->set_max_new_tokens(max_new_tokens);
  v1::PromptGroup& group = *request.add_groups();
  for (const int32_t id : {1, 2, 3}) group.add_prompt_ids(id);
  for (size_t i = 0; i < samples; ++i) group.add_sample_ids(i);
  return request;
}

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    const DecoderOptions options{.num_threads = 1, .kv_cache_bytes = int64_t{64} << 20};
    engine_ = std::make_unique<Engine>(
        EngineOptions{.max_outstanding_samples = 16},
        std::make_unique<Decoder>(MakeCpuDecoder(config_, weights_, options, 1)));
    service_ = std::make_unique<RolloutService>(*engine_, config_, RolloutServiceSettings{});
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    base::ListeningServer listening = base::Listen(builder, "127.0.0.1:0", false);
    server_ = std::move(listening.server);
    stub_ = v1::Rollout::NewStub(
        grpc::CreateChannel(listening.address, grpc::InsecureChannelCredentials()));
  }
  ~ServiceTest() override { server_->Shutdown(std::chrono::system_clock::now() + 5s); }

  static void SetDeadline(grpc::ClientContext* context, std::chrono::milliseconds limit = 30s) {
    context->set_deadline(std::chrono::system_clock::now() + limit);
  }
  Reply Generate(const v1::GenerateRequest& request, std::chrono::milliseconds limit = 30s) {
    grpc::ClientContext context;
    SetDeadline(&context, limit);
    const auto reader = stub_->Generate(&context, request);
    Reply reply;
    v1::Completion completion;
    while (reader->Read(&completion)) reply.completions.push_back(completion);
    reply.status = reader->Finish();
    return reply;
  }
  grpc::Status Update(const std::vector<v1::WeightChunk>& chunks) {
    grpc::ClientContext context;
    SetDeadline(&context);
    v1::UpdateWeightsReply reply;
    const auto writer = stub_->UpdateWeights(&context, &reply);
    for (const v1::WeightChunk& chunk : chunks) {
      if (!writer->Write(chunk)) break;
    }
    writer->WritesDone();
    return writer->Finish();
  }
  // The weights of seed 2 as version 2, in chunks of 10,000 bytes.
  std::vector<v1::WeightChunk> Chunks(const std::string& run_id = "one") {
    return Chunks(policy::InitialWeights(config_, 2), run_id);
  }
  std::vector<v1::WeightChunk> Chunks(const policy::WeightMap& weights,
                                      const std::string& run_id = "one",
                                      const v1::WeightManifest& heading = {}) {
    v1::WeightManifest manifest = PlanImage(weights, 2, policy::Dtype::kFloat32);
    manifest.MergeFrom(heading);
    FillHandshake(config_, &manifest);
    manifest.mutable_run()->set_run_id(run_id);
    manifest.mutable_run()->set_started_ms(1);
    std::vector<std::byte> image(manifest.total_bytes());
    WriteImage(weights, image, &manifest);
    if (manifest.content() == v1::WEIGHT_CONTENT_BASE) {
      manifest.set_base_checksum(BaseChecksum(manifest));
    }
    std::vector<v1::WeightChunk> chunks(1);
    *chunks[0].mutable_manifest() = manifest;
    for (size_t offset = 0; offset < image.size(); offset += 10'000) {
      v1::WeightChunk& chunk = chunks.emplace_back();
      chunk.set_offset(offset);
      chunk.set_data(image.data() + offset, std::min<size_t>(10'000, image.size() - offset));
      chunk.set_checksum(base::Checksum(chunk.data()));
    }
    return chunks;
  }
  v1::HealthReply Health() {
    grpc::ClientContext context;
    SetDeadline(&context);
    v1::HealthReply reply;
    EXPECT_TRUE(stub_->Health(&context, {}, &reply).ok());
    return reply;
  }
  void ExpectInvalid(const v1::GenerateRequest& request, const std::string& complaint) {
    const Reply reply = Generate(request);
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(reply.status.error_message(), ::testing::HasSubstr(complaint));
  }

  const policy::ModelConfig config_ = testing::TinyConfig();
  const policy::WeightMap weights_ = policy::InitialWeights(config_, 1);
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<RolloutService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Rollout::Stub> stub_;
};

}  // namespace cohort::rollout
