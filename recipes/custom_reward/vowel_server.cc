// A reward server, `vowel_server HOST:PORT`: the share of vowels in a completion.
#include <grpcpp/grpcpp.h>

#include <string_view>

#include "reward/reward.grpc.pb.h"

struct VowelServer final : cohort::reward::Reward::Service {
  grpc::Status Score(grpc::ServerContext*, const cohort::reward::ScoreRequest* request,
                     grpc::ServerWriter<cohort::reward::Verdict>* writer) override {
    for (const auto& sample : request->samples()) {
      double vowels = 0;
      for (const char c : sample.completion()) vowels += std::string_view("aeiou").find(c) < 5;
      cohort::reward::Verdict verdict;  // may come in any order, one for each sample
      verdict.set_sample_id(sample.sample_id());
      verdict.set_status(cohort::reward::STATUS_OK);
      verdict.set_score(vowels / std::max<size_t>(1, sample.completion().size()));
      writer->Write(verdict);
    }
    return grpc::Status::OK;
  }
};

int main(int, char** argv) {
  VowelServer service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(argv[1], grpc::InsecureServerCredentials()).RegisterService(&service);
  if (const auto server = builder.BuildAndStart()) server->Wait();
}
