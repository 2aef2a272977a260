#pragma once

// A client of the reward service, as the learner's collector is one.

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <map>

#include "base/rpc_token.h"
#include "reward/reward.grpc.pb.h"
#include "tests/reward/grade.h"

namespace cohort::reward {

class Client {
 public:
  explicit Client(const std::string& address)
      : stub_(Reward::NewStub(grpc::experimental::CreateCustomChannelWithInterceptors(
            address, grpc::InsecureChannelCredentials(), {}, base::ShowingToken(address, "")))) {}

  struct Reply {
    grpc::Status status;
    std::map<uint64_t, Verdict> verdicts;  // by sample id
  };

  Reply Score(const ScoreRequest& request, int deadline_ms = 30'000) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(deadline_ms));
    const auto reader = stub_->Score(&context, request);
    Reply reply;
    Verdict verdict;
    while (reader->Read(&verdict)) {
      const bool fresh = reply.verdicts.emplace(verdict.sample_id(), verdict).second;
      EXPECT_TRUE(fresh) << "a second verdict for sample " << verdict.sample_id();
    }
    reply.status = reader->Finish();
    return reply;
  }

  Reward::Stub& stub() { return *stub_; }

 private:
  std::unique_ptr<Reward::Stub> stub_;
};

inline RewardTerm MakeTerm(const std::string& name, double weight = 1,
                           const OptionMap& options = {}) {
  RewardTerm term;
  term.set_name(name);
  term.set_weight(weight);
  for (const auto& [key, value] : options) (*term.mutable_options())[key] = value;
  return term;
}

inline void AddSample(ScoreRequest* request, uint64_t id, const std::string& completion,
                      const std::string& answer = "") {
  *request->add_samples() = MakeSample(completion, answer);
  request->mutable_samples(request->samples_size() - 1)->set_sample_id(id);
}

}  // namespace cohort::reward
