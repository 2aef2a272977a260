#include "rollout/worker/service.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <filesystem>
#include <thread>

#include "base/child_process.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/listen.h"
#include "base/rpc_token.h"
#include "base/temporary_folder.h"
#include "rollout/cpu/cpu_decoder.h"
#include "rollout/weight_sync/handshake.h"
#include "rollout/weight_sync/weight_image.h"
#include "rollout/worker/request_check.h"
#include "tests/rollout/tiny_policy.h"
#include "tests/rollout/worker/service_fixture.h"

namespace cohort::rollout {
namespace {

using grpc::StatusCode;
using ::testing::HasSubstr;

TEST_F(ServiceTest, RoutingGoesOutAsItWasRecordedAndADenseModelHasNone) {
  SampledCompletion completion;
  completion.routing = std::string("\0\3", 2);
  completion.prompt_routing = "\1\2";
  EXPECT_EQ(ToMessage(completion).routing(), completion.routing);
  EXPECT_EQ(ToMessage(completion).prompt_routing(), completion.prompt_routing);
  v1::GenerateRequest request = Request(1, 2);
  request.set_record_routing(true);
  ExpectInvalid(request, "record_routing is set, and the model has no mixture of experts");
  policy::ModelConfig experts = config_;
  experts.moe.num_experts = 4;
  experts.moe.experts_per_token = 2;
  std::vector<GroupRequest> groups;
  ASSERT_TRUE(CheckRequest(request, experts, &groups).ok());
  EXPECT_TRUE(groups.at(0).sampling.record_routing);
}

TEST_F(ServiceTest, StreamsEveryCompletionAsTheDecoderMadeIt) {
  const Reply reply = Generate(Request(8, 12));
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  ASSERT_EQ(reply.completions.size(), 8u);

  GroupRequest group;
  group.prompt_ids = {1, 2, 3};
  for (uint64_t i = 0; i < 8; ++i) group.sample_ids.push_back(i);
  group.sampling.max_new_tokens = 12;
  Decoder decoder = MakeCpuDecoder(config_, weights_, {.num_threads = 1}, 1);
  const std::vector<SampledCompletion> expected = GenerateAll(decoder, {group});
  for (const v1::Completion& completion : reply.completions) {
    const SampledCompletion& same = expected.at(completion.sample_id());
    EXPECT_TRUE(std::equal(same.ids.begin(), same.ids.end(), completion.ids().begin(),
                           completion.ids().end()));
    EXPECT_TRUE(std::equal(same.rollout_logprobs.begin(), same.rollout_logprobs.end(),
                           completion.rollout_logprobs().begin(),
                           completion.rollout_logprobs().end()));
    EXPECT_EQ(completion.policy_version(), 1);
  }
}

TEST_F(ServiceTest, RefusesBadRequestsBySayingWhatIsWrong) {
  ExpectInvalid({}, "no groups");
  auto request = Request(1, 4);
  request.mutable_groups(0)->clear_prompt_ids();
  ExpectInvalid(request, "empty prompt");
  request = Request(1, 4);
  request.mutable_groups(0)->add_prompt_ids(64);
  ExpectInvalid(request, "token 64; expected 0 to 63");
  request = Request(1, 4);
  request.mutable_groups(0)->add_prompt_ids(-1);
  ExpectInvalid(request, "token -1");
  request = Request(1, 4);
  for (int i = 0; i < 5000; ++i) request.mutable_groups(0)->add_prompt_ids(1);
  ExpectInvalid(request, "the context holds 4096");
  request = Request(0, 4);
  ExpectInvalid(request, "no sample");
  request = Request(1, 4);
  request.mutable_groups(0)->add_sample_ids(0);
  ExpectInvalid(request, "appears twice");
  request = Request(1, 0);
  ExpectInvalid(request, "max_new_tokens");
  request = Request(1, 4);
  request.mutable_sampling()->set_temperature(std::nan(""));
  ExpectInvalid(request, "temperature");
  request = Request(1, 4);
  request.mutable_sampling()->set_top_p(1.5);
  ExpectInvalid(request, "top_p");
}

TEST_F(ServiceTest, RefusesAnotherVersionThanTheCallerExpects) {
  auto request = Request(1, 4);
  request.set_policy_version(9);
  EXPECT_EQ(Generate(request).status.error_code(), StatusCode::FAILED_PRECONDITION);
}

TEST_F(ServiceTest, RefusesMoreSamplesThanItsQueueHolds) {
  EXPECT_EQ(Generate(Request(17, 4)).status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Generate(Request(16, 4)).status.ok());
}

TEST_F(ServiceTest, CallThatTheClientCancelsFreesItsSequences) {
  {
    grpc::ClientContext context;
    SetDeadline(&context);
    const auto reader = stub_->Generate(&context, Request(16, 4000));
    while (Health().running_sequences() == 0) std::this_thread::sleep_for(1ms);
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), StatusCode::CANCELLED);
  }
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (Health().running_sequences() > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(Health().running_sequences(), 0u);
  EXPECT_TRUE(Generate(Request(16, 4)).status.ok());
}

TEST_F(ServiceTest, CallThatPassesItsDeadlineFreesItsSequences) {
  EXPECT_EQ(Generate(Request(16, 4000), 50ms).status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (Health().running_sequences() > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(Health().running_sequences(), 0u);
}

TEST_F(ServiceTest, TakesNewWeightsInChunks) {
  ASSERT_TRUE(Update(Chunks()).ok());
  EXPECT_EQ(Health().policy_version(), 2);
  const Reply reply = Generate(Request(1, 8));
  ASSERT_EQ(reply.completions.size(), 1u);
  EXPECT_EQ(reply.completions[0].policy_version(), 2);
}

TEST_F(ServiceTest, KeepsTheOldWeightsWhenAChunkIsDamagedOrMissing) {
  const Reply before = Generate(Request(4, 12));
  auto damaged = Chunks();
  (*damaged[3].mutable_data())[5] ^= 1;
  EXPECT_EQ(Update(damaged).error_code(), StatusCode::DATA_LOSS);
  auto missing = Chunks();
  missing.erase(missing.begin() + 2);
  EXPECT_EQ(Update(missing).error_code(), StatusCode::DATA_LOSS);
  auto short_of_its_end = Chunks();
  short_of_its_end.pop_back();
  EXPECT_EQ(Update(short_of_its_end).error_code(), StatusCode::DATA_LOSS);

  EXPECT_EQ(Health().policy_version(), 1);
  const Reply after = Generate(Request(4, 12));
  ASSERT_EQ(after.completions.size(), before.completions.size());
  uint64_t checked = 0;
  for (const v1::Completion& completion : after.completions) {
    for (const v1::Completion& same : before.completions) {
      if (same.sample_id() != completion.sample_id()) continue;
      EXPECT_EQ(same.SerializeAsString(), completion.SerializeAsString());
      checked++;
    }
  }
  EXPECT_EQ(checked, 4u);
  EXPECT_TRUE(Update(Chunks()).ok()) << "a good update after bad ones is taken";
}

TEST_F(ServiceTest, ServesOneRunAtATimeAndNamesItWithEachVersion) {
  ASSERT_TRUE(Update(Chunks("one")).ok());
  EXPECT_EQ(Health().run(), "one/1");
  auto request = Request(1, 8);
  request.set_run("one/1");
  request.set_policy_version(2);
  Reply reply = Generate(request);
  ASSERT_EQ(reply.completions.size(), 1u) << reply.status.error_message();
  EXPECT_EQ(reply.completions[0].run(), "one/1");

  const grpc::Status second = Update(Chunks("two"));
  EXPECT_EQ(second.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(second.error_message(), HasSubstr("serves run one"));
  request.set_run("two/1");
  reply = Generate(request);
  EXPECT_EQ(reply.status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(reply.status.error_message(), HasSubstr("not of two/1"));

  grpc::ClientContext context;
  SetDeadline(&context);
  v1::EndLeaseRequest end;
  end.mutable_run()->set_run_id("one");
  end.mutable_run()->set_started_ms(1);
  v1::EndLeaseReply ended;
  ASSERT_TRUE(stub_->EndLease(&context, end, &ended).ok());
  EXPECT_TRUE(Update(Chunks("two")).ok());
  EXPECT_EQ(Health().run(), "two/1");
}

TEST_F(ServiceTest, WeightsThatAreNotFiniteAreRefusedByNameAndTheOldOnesStay) {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    policy::WeightMap weights = policy::InitialWeights(config_, 2);
    at::Tensor& tensor = std::next(weights.begin(), 3)->second;
    tensor = tensor.clone();
    tensor.flatten()[tensor.numel() - 1] = bad;
    const grpc::Status status = Update(Chunks(weights));
    EXPECT_EQ(status.error_code(), StatusCode::OUT_OF_RANGE) << bad;
    EXPECT_THAT(status.error_message(), HasSubstr(std::next(weights.begin(), 3)->first));
  }
  EXPECT_EQ(Health().policy_version(), 1);
  EXPECT_TRUE(Generate(Request(4, 4)).status.ok());
}

TEST_F(ServiceTest, WeightsOfAnotherModelAreRefusedByTheFieldThatDiffers) {
  const auto refusal = [&](auto change) {
    policy::ModelConfig other = config_;
    change(other);
    auto chunks = Chunks();
    FillHandshake(other, chunks[0].mutable_manifest());
    const grpc::Status status = Update(chunks);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    return std::string(status.error_message());
  };
  const std::string base = refusal([](auto& config) { config.rope.base = 500'000; });
  EXPECT_THAT(base, HasSubstr("rope_theta = 500000.0"));
  EXPECT_THAT(base, HasSubstr("config.json 10000.0"));
  EXPECT_THAT(refusal([](auto& config) { config.norm_eps = 0.5; }), HasSubstr("rms_norm_eps"));
  EXPECT_THAT(refusal([](auto& config) {
                config.rope.kind = policy::RopeKind::kLinear;
                config.rope.factor = 8;
              }),
              HasSubstr("rope"));
  EXPECT_EQ(Health().policy_version(), 1);
  policy::ModelConfig ends_elsewhere = config_;
  ends_elsewhere.eos_ids = {7};  // who samples says where to stop
  auto chunks = Chunks();
  FillHandshake(ends_elsewhere, chunks[0].mutable_manifest());
  EXPECT_TRUE(Update(chunks).ok());
}

TEST_F(ServiceTest, ALearnerOfAnotherProtocolOrVocabularyIsRefused) {
  auto chunks = Chunks();
  chunks[0].mutable_manifest()->clear_protocol();
  const grpc::Status status = Update(chunks);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("speaks version 0 of the protocol"));
  v1::WeightManifest manifest;
  FillHandshake(config_, &manifest);
  manifest.set_vocabulary_checksum(1);
  EXPECT_THAT(Disagreement(manifest, config_, 2), HasSubstr("other tokens"));
  EXPECT_EQ(Disagreement(manifest, config_, 1), "");
  EXPECT_EQ(Disagreement(manifest, config_, 0), "");
}

TEST_F(ServiceTest, HealthShowsThePromptsTokensTheDtypeAndTheClassOfProducts) {
  auto request = Request(1, 1);
  for (int i = 0; i < 2000; ++i) request.mutable_groups(0)->add_prompt_ids(1);
  ASSERT_TRUE(Generate(request).status.ok());
  // The counters are published after the step that ended the call.
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (Health().tokens_computed() < 2003 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(1ms);
  }
  const v1::HealthReply health = Health();
  EXPECT_EQ(health.tokens_computed(), 2003u);
  EXPECT_EQ(health.tokens_generated(), 0u) << "the only token came from the prompt's logits";
  EXPECT_EQ(health.dtype(), "F32");
  EXPECT_EQ(health.numerics(), "fp32");
}

TEST_F(ServiceTest, DrainAnswersWhenAllIsFinishedAndRefusesWhatComesLater) {
  grpc::ClientContext context;
  SetDeadline(&context);
  v1::DrainReply reply;
  ASSERT_TRUE(stub_->Drain(&context, {}, &reply).ok());
  EXPECT_EQ(reply.unfinished_sequences(), 0u);
  EXPECT_FALSE(Health().serving());
  EXPECT_EQ(Generate(Request(1, 4)).status.error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(ServiceTest, SecondServerOnATakenPortIsRefused) {
  grpc::CallbackGenericService first_service, second_service;  // gRPC starts no server without one
  grpc::ServerBuilder first;
  first.RegisterCallbackGenericService(&first_service);
  const auto [server, address] = base::Listen(first, "127.0.0.1:0", false);
  grpc::ServerBuilder second;
  second.RegisterCallbackGenericService(&second_service);
  try {
    base::Listen(second, address, false);
    FAIL() << "two servers on " << address;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_THAT(error.what(), HasSubstr(address));
  }
}

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() { config_ = testing::WriteTinyConfig(folder_).string(); }

  std::unique_ptr<base::ChildProcess> Start(const std::string& address,
                                            const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = {
        COHORT_BIN_DIR "/cohort-rollout", "--config", config_, "--listen", address, "--port-file",
        (folder_ / "at").string()};
    command.insert(command.end(), more.begin(), more.end());
    return std::make_unique<base::ChildProcess>(command, folder_ / "log");
  }
  std::string AwaitAddress() {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!std::filesystem::exists(folder_ / "at")) {
      if (std::chrono::steady_clock::now() > deadline) return "none";
      std::this_thread::sleep_for(5ms);
    }
    return base::ReadFile(folder_ / "at");
  }
  v1::HealthReply AwaitHealth() {
    const auto stub = v1::Rollout::NewStub(
        grpc::CreateChannel(AwaitAddress(), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + 30s);
    v1::HealthReply reply;
    EXPECT_TRUE(stub->Health(&context, {}, &reply).ok());
    return reply;
  }

  const base::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  std::string config_;
};

TEST_F(ProgramTest, ServesOnAUnixSocketAndEndsWithZeroAtSigterm) {
  const auto worker = Start("unix:" + (folder_ / "s").string());
  const v1::HealthReply reply = AwaitHealth();
  EXPECT_FALSE(reply.serving()) << "it has no weights yet";
  worker->Signal(SIGTERM);
  EXPECT_EQ(worker->Wait(30s), 0);
}

TEST_F(ProgramTest, SaysTheClassThatItMultipliesIn) {
  const auto worker =
      Start("unix:" + (folder_ / "s").string(), {"--dtype", "bfloat16", "--numerics", "bf16-amx"});
  const v1::HealthReply reply = AwaitHealth();
  EXPECT_EQ(reply.numerics(), "bf16-amx");
  worker->Signal(SIGTERM);
  EXPECT_EQ(worker->Wait(30s), 0);
}

TEST_F(ProgramTest, RefusesAClassThatItsDtypeCannotHave) {
  const auto worker = Start("unix:" + (folder_ / "s").string(), {"--numerics", "bf16-dot"});
  EXPECT_EQ(worker->Wait(30s), 2);
  EXPECT_THAT(base::ReadFile(folder_ / "log"),
              HasSubstr("--numerics bf16-dot multiplies bfloat16 weights, and --dtype is float32"));
}

TEST_F(ProgramTest, ItsSocketIsItsOwnersAlone) {
  const auto worker = Start("unix:" + (folder_ / "s").string());
  AwaitAddress();
  EXPECT_EQ(std::filesystem::status(folder_ / "s").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(ProgramTest, ATcpPortIsOpenToThoseWhoShowItsTokenOnly) {
  const auto worker = Start("127.0.0.1:0");
  const std::string address = AwaitAddress();
  const auto health = [&](base::ClientInterceptors interceptors) {
    const auto stub = v1::Rollout::NewStub(grpc::experimental::CreateCustomChannelWithInterceptors(
        address, grpc::InsecureChannelCredentials(), {}, std::move(interceptors)));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 30s);
    v1::HealthReply reply;
    return stub->Health(&context, {}, &reply);
  };
  EXPECT_TRUE(health(base::ShowingToken(address, "")).ok());
  const grpc::Status refused = health({});
  EXPECT_EQ(refused.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(refused.error_message(), HasSubstr("rollout.token_file"));
  base::ServiceToken other("127.0.0.1:0", {.file = folder_ / "other"});
  other.Write("127.0.0.1:1");
  EXPECT_EQ(health(base::ShowingToken(address, folder_ / "other")).error_code(),
            StatusCode::UNAUTHENTICATED);
  const std::string log = base::ReadFile(folder_ / "log");
  EXPECT_THAT(log, HasSubstr("callers show the token in "));
  EXPECT_THAT(log, HasSubstr("refused a call without this service's token"));
  EXPECT_THAT(log, HasSubstr("2 so far"));
  EXPECT_THAT(log, ::testing::Not(HasSubstr(base::ReadToken(base::DefaultTokenFile(address)))));
}

TEST_F(ProgramTest, SaysSoWhenItsPortIsTaken) {
  const auto first = Start("127.0.0.1:0");
  const std::string address = AwaitAddress();
  const auto second = Start(address);
  EXPECT_EQ(second->Wait(30s), 3);
  EXPECT_THAT(base::ReadFile(folder_ / "log"), HasSubstr("cannot listen on " + address));
}

TEST_F(ProgramTest, RefusesAnAddressThatOthersCanReach) {
  const auto worker = Start("0.0.0.0:0");
  EXPECT_EQ(worker->Wait(30s), 2);
  EXPECT_THAT(base::ReadFile(folder_ / "log"), HasSubstr("--insecure-listen"));
}

}  // namespace
}  // namespace cohort::rollout
