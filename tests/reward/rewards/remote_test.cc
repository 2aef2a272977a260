// The reward `remote` against servers that are not cohort's: what they may do wrong costs samples,
// never a score of 0.

#include <gmock/gmock.h>

#include <cmath>
#include <thread>

#include "base/error.h"
#include "reward/service/server.h"
#include "tests/reward/client.h"

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Does with each sample what its completion says, else scores its length.
class OddServer final : public Reward::Service {
 public:
  OddServer() { Listen("127.0.0.1:0"); }
  ~OddServer() override { Stop(); }

  void Listen(const std::string& address) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  void Stop() {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  const std::string& address() const { return address_; }
  int calls() const { return calls_; }

  grpc::Status Score(grpc::ServerContext* context, const ScoreRequest* request,
                     grpc::ServerWriter<Verdict>* writer) override {
    ++calls_;
    for (const Sample& sample : request->samples()) {
      const std::string& act = sample.completion();
      Verdict verdict;
      verdict.set_sample_id(sample.sample_id());
      verdict.set_status(STATUS_OK);
      verdict.set_score(static_cast<double>(act.size()));
      if (act == "silence") continue;
      if (act == "refuse") return {grpc::StatusCode::INTERNAL, "the judge is gone"};
      if (act == "wrong id") verdict.set_sample_id(12345);
      if (act == "nan") verdict.set_score(std::nan(""));
      if (act == "no status") verdict.set_status(STATUS_UNSPECIFIED);
      if (act == "new status") verdict.set_status(static_cast<Status>(77));
      if (act == "not applicable") verdict.set_status(STATUS_NOT_APPLICABLE);
      if (act == "memory") verdict.set_status(STATUS_MEMORY);
      if (act == "parts") {
        Component* part = verdict.add_components();
        part->set_name("style");
        part->set_status(STATUS_OK);
        part->set_score(0.25);
      }
      while (act == "hang" && !context->IsCancelled()) {
        std::this_thread::sleep_for(milliseconds(5));
      }
      writer->Write(verdict);
      if (act == "twice") writer->Write(verdict);
    }
    return grpc::Status::OK;
  }

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::atomic<int> calls_ = 0;
};

Grade Ask(const OddServer& server, const std::string& completion, int limit_ms = 10'000) {
  return GradeOf("remote", completion, "", {{"address", server.address()}}, limit_ms);
}

TEST(RemoteReward, TakesTheServersWord) {
  const OddServer server;
  EXPECT_EQ(Ask(server, "four").score, 4);
  EXPECT_EQ(Ask(server, "twice").score, 5);
  EXPECT_EQ(Ask(server, "not applicable").status, STATUS_NOT_APPLICABLE);
  EXPECT_EQ(Ask(server, "memory").status, STATUS_MEMORY);
  const Grade parts = Ask(server, "parts");
  ASSERT_EQ(parts.parts.size(), 1u);
  EXPECT_EQ(parts.parts[0].name, "style");
  EXPECT_EQ(parts.parts[0].score, 0.25);
}

TEST(RemoteReward, WhatAServerDoesWrongIsAFailureAndNeverAScore) {
  const OddServer server;
  const std::tuple<const char*, Status, const char*> acts[] = {
      {"silence", STATUS_ERROR, "returned no verdict for this sample"},
      {"wrong id", STATUS_ERROR, "returned no verdict for this sample"},
      {"refuse", STATUS_ERROR, "the judge is gone"},
      {"no status", STATUS_ERROR, "unknown status 0"},
      {"new status", STATUS_ERROR, "unknown status 77"},
      {"hang", STATUS_TIMEOUT, "did not answer within 300 ms"},
  };
  for (const auto& [act, status, detail] : acts) {
    const Grade grade = Ask(server, act, 300);
    EXPECT_EQ(grade.status, status) << act;
    EXPECT_THAT(grade.detail, HasSubstr(detail)) << act;
  }
  const Terms terms = {{"remote", 1, MakeGrader("remote", {{"address", server.address()}})}};
  EXPECT_EQ(ScoreSample(terms, MakeSample("nan"), milliseconds(5000), nullptr).status(),
            STATUS_ERROR);
}

TEST(RemoteReward, ASampleThatBreaksABatchCostsOnlyItself) {
  const OddServer server;
  const auto grader = MakeGrader("remote", {{"address", server.address()}});
  std::vector<Sample> samples;
  for (const char* act : {"a", "bb", "refuse", "dddd"}) samples.push_back(MakeSample(act));
  const Sample* pointers[] = {&samples[0], &samples[1], &samples[2], &samples[3]};
  const auto grades = grader->ScoreBatch(pointers, Budget(milliseconds(10'000)));
  for (const int i : {0, 1, 3}) EXPECT_EQ(grades[i].score, i + 1) << grades[i].detail;
  EXPECT_EQ(grades[2].status, STATUS_ERROR);
}

TEST(RemoteReward, WaitsForAServerThatStartsAgain) {
  OddServer server;
  const auto grader = MakeGrader("remote", {{"address", server.address()}});
  EXPECT_EQ(grader->Score(MakeSample("one"), Budget(milliseconds(10'000))).score, 3);
  server.Stop();
  EXPECT_THAT(grader->Score(MakeSample("x"), Budget(milliseconds(300))).detail,
              HasSubstr("cannot be reached"));
  std::jthread later([&] {
    std::this_thread::sleep_for(milliseconds(300));
    server.Listen(server.address());
  });
  EXPECT_EQ(grader->Score(MakeSample("again"), Budget(milliseconds(30'000))).score, 5);
}

TEST(RemoteReward, AsksAnotherCohortServiceForAnyOfItsRewards) {
  const Server server({.workers = 2});
  const OptionMap options = {{"address", server.address()},
                             {"reward", "format"},
                             {"options", R"({"pattern": "a+", "match": "search"})"}};
  EXPECT_EQ(ScoreOf("remote", "baa", "", options), 1);
  EXPECT_EQ(ScoreOf("remote", "b", "", options), 0);
  EXPECT_THAT(GradeOf("remote", "b", "", {{"address", server.address()}}).detail,
              HasSubstr("unknown reward 'default'"));
}

TEST(RemoteReward, RefusesOptionsThatCannotBe) {
  EXPECT_THROW(MakeGrader("remote", {}), Error);
  EXPECT_THROW(MakeGrader("remote", {{"address", "nowhere"}}), Error);
  EXPECT_THROW(MakeGrader("remote", {{"address", "localhost:1"}, {"options", "[]"}}), Error);
}

}  // namespace
}  // namespace cohort::reward
