// The rewards that users start from, recipes/custom_reward/.

#include <gmock/gmock.h>
#include <unistd.h>

#include "base/child_process.h"
#include "reward/service/server.h"
#include "tests/reward/client.h"

namespace cohort::reward {
namespace {

const std::string kVowelShare = COHORT_SOURCE_DIR "/recipes/custom_reward/vowel_share.py";

// One sample, scored as a run would: by a service.
Verdict ScoredByAService(const RewardTerm& term, const std::string& columns = "") {
  Server server({.workers = 2});
  ScoreRequest request;
  *request.add_terms() = term;
  AddSample(&request, 1, "an ounce of audio");
  request.mutable_samples(0)->set_columns_json(columns);
  const Client::Reply reply = Client(server.address()).Score(request);
  EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
  return reply.verdicts.empty() ? Verdict() : reply.verdicts.at(1);
}

TEST(ExampleReward, ThePythonFileScoresAndNamesItsComponents) {
  const RewardTerm term = MakeTerm("python", 1, {{"path", kVowelShare}});
  const Verdict plain = ScoredByAService(term);
  EXPECT_EQ(plain.status(), STATUS_OK) << plain.detail();
  EXPECT_DOUBLE_EQ(plain.score(), 9.0 / 14.0);
  ASSERT_EQ(plain.components_size(), 3);
  EXPECT_EQ(plain.components(1).name(), "python.vowels");
  EXPECT_EQ(plain.components(2).status(), STATUS_NOT_APPLICABLE);
  const Verdict both = ScoredByAService(term, R"({"max_words": 10})");
  EXPECT_DOUBLE_EQ(both.score(), 9.0 / 14.0 + 0.5);
}

TEST(ExampleReward, ThePythonFilesBatchFunctionScoresToo) {
  const Verdict verdict =
      ScoredByAService(MakeTerm("python", 1, {{"path", kVowelShare}, {"function", "vowel_batch"}}));
  EXPECT_DOUBLE_EQ(verdict.score(), 9.0 / 17.0) << verdict.detail();
}

TEST(ExampleReward, TheSharedObjectScores) {
  const Verdict verdict =
      ScoredByAService(MakeTerm("custom", 1, {{"path", TestPlugin("vowel_share")}}));
  EXPECT_DOUBLE_EQ(verdict.score(), 9.0 / 14.0) << verdict.detail();
}

TEST(ExampleReward, TheServerScores) {
  const std::string address =
      "unix:" + testing::TempDir() + "vowel_" + std::to_string(getpid()) + ".sock";
  const base::ChildProcess server({COHORT_BIN_DIR "/vowel_server", address});
  // The reward waits for the server to come up.
  const Verdict verdict = ScoredByAService(MakeTerm("remote", 1, {{"address", address}}));
  EXPECT_DOUBLE_EQ(verdict.score(), 9.0 / 17.0) << verdict.detail();
  unlink(address.substr(5).c_str());
}

}  // namespace
}  // namespace cohort::reward
