#include "rl/rollouts/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <mutex>

#include "base/error.h"
#include "tests/fakes/fake_environment.h"
#include "tests/fakes/fake_service_pool.h"
#include "tests/fakes/fake_services.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;

constexpr int64_t kVersion = 3;

std::vector<EpisodeGroup> Groups(int count, int size) {
  std::vector<EpisodeGroup> groups;
  for (int i = 0; i < count; ++i) {
    Problem problem;
    problem.question = "question " + std::to_string(i);
    problem.answer = std::to_string(i);
    const auto encoded =
        std::make_shared<const EncodedProblem>(EncodedProblem{std::move(problem), {1, 2, 3}, "{}"});
    groups.push_back(NewEpisodeGroup(encoded, static_cast<uint64_t>(100 + i),
                                     static_cast<uint64_t>(i * size), size));
  }
  return groups;
}

class CollectorTest : public testing::Test {
 protected:
  CollectorTest() : workers_(2), rewards_(1) {
    terms_.emplace_back().set_name("length");
    options_.no_service_seconds = 30;
  }

  CollectedGroups Collect(std::vector<EpisodeGroup> groups) {
    Collector collector(
        workers_, rewards_, environment_, terms_,
        [](std::span<const int32_t> ids) { return std::string(ids.size(), 'x'); }, options_);
    return collector.Collect(std::move(groups), {}, kVersion);
  }

  std::string FaultOf(std::vector<EpisodeGroup> groups, ErrorCode code) {
    try {
      Collect(std::move(groups));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "no error";
  }

  void ExpectComplete(const CollectedGroups& collected, int count, int size) {
    ASSERT_EQ(collected.groups.size(), static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      const EpisodeGroup& group = collected.groups[static_cast<size_t>(i)];
      EXPECT_EQ(group.group_id, static_cast<uint64_t>(100 + i));
      ASSERT_EQ(group.episodes.size(), static_cast<size_t>(size));
      for (int k = 0; k < size; ++k) {
        const Episode& episode = group.episodes[static_cast<size_t>(k)];
        EXPECT_EQ(episode.sample_id, static_cast<uint64_t>(i * size + k));
        const auto expected = ScriptedCompletion(0, episode.sample_id, kVersion);
        EXPECT_EQ(episode.completion_ids,
                  std::vector<int32_t>(expected.ids().begin(), expected.ids().end()));
        EXPECT_EQ(episode.rollout_logprobs.size(), 2u);
        EXPECT_EQ(episode.policy_version, kVersion);
        EXPECT_EQ(episode.completion, "xx");
      }
    }
  }

  FakeServicePool<FakeRolloutService> workers_;
  FakeServicePool<FakeRewardService> rewards_;
  SingleTurn environment_;
  std::vector<reward::RewardTerm> terms_;
  CollectorOptions options_;
};

TEST_F(CollectorTest, EveryEpisodeComesBackSampledAndJudgedInTheOrderOfItsGroup) {
  const CollectedGroups collected = Collect(Groups(6, 4));
  ExpectComplete(collected, 6, 4);
  for (const EpisodeGroup& group : collected.groups) {
    for (const Episode& episode : group.episodes) EXPECT_EQ(episode.reward(), 2.0);
  }
  EXPECT_EQ(collected.stats.completion_tokens, 48u);
  EXPECT_EQ(collected.stats.reissued_samples, 0u);
  EXPECT_EQ(collected.stats.failed_rewards, 0u);
  EXPECT_GT(workers_.service(0).calls(), 0);
  EXPECT_GT(workers_.service(1).calls(), 0);
}

TEST_F(CollectorTest, CompletionsThatAreThereAreJudgedWithoutAWorker) {
  FakeServicePool<FakeRolloutService> nobody(0);
  Collector collector(
      nobody, rewards_, environment_, terms_, [](std::span<const int32_t>) { return ""; },
      options_);
  std::vector<EpisodeGroup> groups = Groups(3, 2);
  for (EpisodeGroup& group : groups) {
    for (Episode& episode : group.episodes) episode.completion = "abc";
  }
  for (const EpisodeGroup& group : collector.Judge(std::move(groups))) {
    for (const Episode& episode : group.episodes) {
      EXPECT_EQ(episode.reward(), 3.0);
      EXPECT_EQ(episode.completion, "abc");
    }
  }
}

TEST_F(CollectorTest, SamplesOfAWorkerThatDiesInACallAreSampledAgain) {
  workers_.service(0).before_sample = [](grpc::ServerContext&, int number) {
    return number == 5 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone") : grpc::Status::OK;
  };
  const CollectedGroups collected = Collect(Groups(6, 4));
  ExpectComplete(collected, 6, 4);
  EXPECT_EQ(collected.stats.reissued_samples, 7u) << "of the twelve that it was given";
  EXPECT_EQ(workers_.reported_broken(), 1);
}

TEST_F(CollectorTest, AStalledWorkersCallIsGivenUpWhenTheWorkerIsRestarted) {
  workers_.service(0).before_sample = [this](grpc::ServerContext& context, int number) {
    if (number > 0) return grpc::Status::OK;
    workers_.Restart(0);
    return Stall(context);
  };
  ExpectComplete(Collect(Groups(4, 2)), 4, 2);
}

TEST_F(CollectorTest, ACompletionOfAnotherVersionIsNotTaken) {
  for (int i = 0; i < 2; ++i) {
    workers_.service(i).change = [](rollout::v1::Completion* completion) {
      completion->set_policy_version(kVersion - 1);
    };
  }
  options_.sampling.max_attempts = 2;
  EXPECT_THAT(FaultOf(Groups(1, 2), ErrorCode::kUnavailable),
              HasSubstr("group 100 failed 2 times; the last time: samples were missing"));
}

TEST_F(CollectorTest, ACompletionWithTooFewLogprobsOrAnUnknownIdIsNotTaken) {
  std::atomic<int> lies{0};
  for (int i = 0; i < 2; ++i) {
    workers_.service(i).change = [&](rollout::v1::Completion* completion) {
      const int number = lies++;
      if (number == 0) completion->mutable_rollout_logprobs()->RemoveLast();
      if (number == 1) completion->set_sample_id(12345);
    };
  }
  ExpectComplete(Collect(Groups(3, 2)), 3, 2);
}

TEST_F(CollectorTest, AWorkerWhoseAnswersCannotBeTrueIsLeftOutAndTheOthersGoOn) {
  const std::vector<std::pair<std::string, std::function<void(rollout::v1::Completion*)>>> lies = {
      {"token 70000", [](rollout::v1::Completion* c) { c->set_ids(0, 70000); }},
      {"token -1", [](rollout::v1::Completion* c) { c->set_ids(1, -1); }},
      {"a logprob of 50", [](rollout::v1::Completion* c) { c->set_rollout_logprobs(0, 50); }},
      {"a logprob of nan",
       [](rollout::v1::Completion* c) { c->set_rollout_logprobs(0, std::nanf("")); }},
      {"a logprob of -inf",
       [](rollout::v1::Completion* c) { c->set_rollout_logprobs(0, -HUGE_VALF); }},
      {"2000 tokens", [](rollout::v1::Completion* c) {
         c->mutable_ids()->Resize(2000, 1);
         c->mutable_rollout_logprobs()->Resize(2000, -1);
       }}};
  options_.sampling.vocab_size = 100;
  for (const auto& [what, lie] : lies) {
    FakeServicePool<FakeRolloutService> workers(2);
    workers.service(0).change = lie;
    Collector collector(
        workers, rewards_, environment_, terms_,
        [](std::span<const int32_t> ids) { return std::string(ids.size(), 'x'); }, options_);
    const CollectedGroups collected = collector.Collect(Groups(6, 4), {}, kVersion);
    ExpectComplete(collected, 6, 4);
    EXPECT_GE(collected.stats.refused_completions, 1u) << what;
    EXPECT_THAT(workers.endpoint(0).failure, HasSubstr(what));
    EXPECT_EQ(workers.endpoint(1).failure, "");
  }
}

// Two experts of four in one layer; a prompt of 3 tokens and a completion of 2.
class RoutingCollectorTest : public CollectorTest {
 protected:
  RoutingCollectorTest() { options_.sampling.routing = {1, 2, 4}; }

  CollectedGroups CollectFrom(ServicePool& workers) {
    Collector collector(
        workers, rewards_, environment_, terms_,
        [](std::span<const int32_t> ids) { return std::string(ids.size(), 'x'); }, options_);
    rollout::Sampling sampling;
    sampling.record_routing = true;
    return collector.Collect(Groups(6, 2), sampling, kVersion);
  }
  static void Answer(rollout::v1::Completion* completion) {
    completion->set_routing(std::string("\0\3", 2));
    completion->set_prompt_routing(std::string("\0\1\2\3\1\0", 6));
  }
};

TEST_F(RoutingCollectorTest, RoutingComesWithTheEpisodesAndThePromptsWithTheirGroup) {
  for (int i = 0; i < 2; ++i) {
    workers_.service(i).change = [](rollout::v1::Completion* completion) {
      Answer(completion);
      if (completion->sample_id() % 2 == 1) completion->clear_prompt_routing();
    };
  }
  const CollectedGroups collected = CollectFrom(workers_);
  EXPECT_EQ(collected.stats.refused_completions, 0u);
  for (const EpisodeGroup& group : collected.groups) {
    ASSERT_NE(group.prompt_routing, nullptr);
    EXPECT_EQ(*group.prompt_routing, std::string("\0\1\2\3\1\0", 6));
    for (const Episode& episode : group.episodes) {
      EXPECT_EQ(episode.routing, std::string("\0\3", 2));
    }
  }
}

TEST_F(RoutingCollectorTest, AWorkerWhoseRoutingIsMissingOrCannotBeIsLeftOut) {
  const std::vector<std::pair<std::string, std::function<void(rollout::v1::Completion*)>>> lies = {
      {"no routing, which was asked for", [](rollout::v1::Completion* c) { c->clear_routing(); }},
      {"no routing of the prompt", [](rollout::v1::Completion* c) { c->clear_prompt_routing(); }},
      {"routing of 3 bytes, where 1 tokens have 2",
       [](rollout::v1::Completion* c) { c->mutable_routing()->push_back('\1'); }},
      {"to expert 9 of 4", [](rollout::v1::Completion* c) { c->set_routing("\1\t"); }},
      {"to expert 1 twice", [](rollout::v1::Completion* c) { c->set_routing("\1\1"); }},
      {"the prompt's routing of 2 bytes",
       [](rollout::v1::Completion* c) { c->mutable_prompt_routing()->resize(2); }}};
  for (const auto& [what, lie] : lies) {
    FakeServicePool<FakeRolloutService> workers(2);
    workers.service(1).change = Answer;
    workers.service(0).change = [&, change = lie](rollout::v1::Completion* completion) {
      Answer(completion);
      change(completion);
    };
    const CollectedGroups collected = CollectFrom(workers);
    EXPECT_GE(collected.stats.refused_completions, 1u) << what;
    EXPECT_THAT(workers.endpoint(0).failure, HasSubstr(what));
    EXPECT_EQ(workers.endpoint(1).failure, "");
    for (const EpisodeGroup& group : collected.groups) EXPECT_NE(group.prompt_routing, nullptr);
  }
}

TEST_F(CollectorTest, AWorkerThatSamplesForAnotherRunIsLeftOut) {
  options_.sampling.run = "ours/1";
  workers_.service(0).change = [](rollout::v1::Completion* completion) {
    completion->set_run("theirs/1");
  };
  const CollectedGroups collected = Collect(Groups(6, 4));
  ExpectComplete(collected, 6, 4);
  EXPECT_GT(collected.stats.refused_completions, 0u);
  EXPECT_THAT(workers_.endpoint(0).failure, HasSubstr("under the weights of run 'theirs/1'"));
  EXPECT_EQ(workers_.endpoint(1).failure, "");
}

TEST_F(CollectorTest, AServiceThatStartsAgainHasTimeToDoSoBeforeItsSamplesFail) {
  const auto start = std::chrono::steady_clock::now();
  // Everything fails at once for 300 ms, as after a kill, while other work wakes the lanes.
  rewards_.service(0).before_call = [&](grpc::ServerContext&, const reward::ScoreRequest&, int) {
    return std::chrono::steady_clock::now() - start < std::chrono::milliseconds(300)
               ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "killed")
               : grpc::Status::OK;
  };
  const CollectedGroups collected = Collect(Groups(8, 4));
  EXPECT_EQ(collected.stats.failed_rewards, 0u);
}

TEST_F(CollectorTest, ARefusedCallIsNoFailureOfItsGroups) {
  for (int i = 0; i < 2; ++i) {
    workers_.service(i).before_sample = [](grpc::ServerContext&, int number) {
      return number < 3 ? grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full")
                        : grpc::Status::OK;
    };
  }
  options_.sampling.max_attempts = 1;
  const CollectedGroups collected = Collect(Groups(2, 2));
  ExpectComplete(collected, 2, 2);
  EXPECT_EQ(collected.stats.reissued_samples, 0u);
}

TEST_F(CollectorTest, ARequestThatAWorkerRejectsIsAUsageError) {
  for (int i = 0; i < 2; ++i) {
    workers_.service(i).before_sample = [](grpc::ServerContext&, int) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no such token");
    };
  }
  EXPECT_THAT(FaultOf(Groups(1, 1), ErrorCode::kUsage),
              HasSubstr("a rollout worker refuses the request: no such token"));
}

TEST_F(CollectorTest, AScoreThatIsNoNumberIsAFailureAndNoScore) {
  rewards_.service(0).change = [](reward::Verdict* verdict) {
    verdict->set_score(std::numeric_limits<double>::quiet_NaN());
    return true;
  };
  const CollectedGroups collected = Collect(Groups(1, 2));
  for (const Episode& episode : collected.groups[0].episodes) {
    EXPECT_TRUE(episode.reward_failed());
    EXPECT_EQ(episode.reward(), std::nullopt);
    EXPECT_EQ(DescribeVerdict(episode.verdict), "ERROR: the reward is not a finite number");
  }
  EXPECT_EQ(collected.stats.failed_rewards, 2u);
}

TEST_F(CollectorTest, ARewardThatDoesNotApplyIsNoFailure) {
  rewards_.service(0).change = [](reward::Verdict* verdict) {
    verdict->set_status(reward::STATUS_NOT_APPLICABLE);
    return true;
  };
  const CollectedGroups collected = Collect(Groups(1, 2));
  EXPECT_FALSE(collected.groups[0].episodes[0].reward_failed());
  EXPECT_FALSE(collected.groups[0].episodes[0].graded());
  EXPECT_EQ(collected.stats.failed_rewards, 0u);
}

TEST_F(CollectorTest, ASampleWithoutAVerdictIsAskedForAgainAndThenFails) {
  rewards_.service(0).change = [](reward::Verdict* verdict) { return verdict->sample_id() != 1; };
  options_.scoring.max_attempts = 3;
  const CollectedGroups collected = Collect(Groups(1, 3));
  const std::vector<Episode>& episodes = collected.groups[0].episodes;
  EXPECT_TRUE(episodes[0].graded());
  EXPECT_TRUE(episodes[1].reward_failed());
  EXPECT_EQ(DescribeVerdict(episodes[1].verdict), "ERROR: the service returned no verdict");
  EXPECT_TRUE(episodes[2].graded());
  EXPECT_GE(rewards_.service(0).calls(), 3);
}

TEST_F(CollectorTest, RewardsAreToldHowManyTokensACompletionHas) {
  std::mutex mutex;
  std::map<uint64_t, uint32_t> told;
  rewards_.service(0).before_call = [&](grpc::ServerContext&, const reward::ScoreRequest& request,
                                        int) {
    const std::lock_guard lock(mutex);
    for (const reward::Sample& sample : request.samples()) {
      told[sample.sample_id()] = sample.completion_tokens();
    }
    return grpc::Status::OK;
  };
  const CollectedGroups collected = Collect(Groups(1, 3));
  for (const Episode& episode : collected.groups[0].episodes) {
    EXPECT_GT(episode.completion_ids.size(), 0u);
    EXPECT_EQ(told[episode.sample_id], episode.completion_ids.size());
  }
}

TEST_F(CollectorTest, APoisonSampleCostsOnlyItself) {
  rewards_.service(0).before_call = [](grpc::ServerContext&, const reward::ScoreRequest& request,
                                       int) {
    for (const reward::Sample& sample : request.samples()) {
      if (sample.sample_id() == 2) return grpc::Status(grpc::StatusCode::INTERNAL, "poison");
    }
    return grpc::Status::OK;
  };
  const CollectedGroups collected = Collect(Groups(1, 5));
  for (const Episode& episode : collected.groups[0].episodes) {
    EXPECT_EQ(episode.graded(), episode.sample_id != 2) << episode.sample_id;
  }
}

TEST_F(CollectorTest, AStalledRewardServiceRunsIntoItsDeadline) {
  std::atomic<int> stalls{0};
  rewards_.service(0).before_call = [&](grpc::ServerContext& context, const reward::ScoreRequest&,
                                        int) {
    return stalls++ == 0 ? Stall(context) : grpc::Status::OK;
  };
  options_.scoring.deadline = std::chrono::milliseconds(200);
  const CollectedGroups collected = Collect(Groups(1, 2));
  for (const Episode& episode : collected.groups[0].episodes) EXPECT_TRUE(episode.graded());
}

TEST_F(CollectorTest, WithoutRewardsEverythingIsGradedWithoutAService) {
  terms_.clear();
  const CollectedGroups collected = Collect(Groups(2, 2));
  ExpectComplete(collected, 2, 2);
  EXPECT_EQ(collected.groups[0].episodes[0].reward(), 0.0);
  EXPECT_EQ(rewards_.service(0).calls(), 0);
}

TEST_F(CollectorTest, ServicesThatAreAllGivenUpEndTheCollectWithTheirFailure) {
  workers_.LeaveOut(0, "rollout-0 died");
  workers_.LeaveOut(1, "rollout-1 died; the end of its log: boom");
  EXPECT_THAT(FaultOf(Groups(1, 1), ErrorCode::kUnavailable), HasSubstr("rollout-1 died"));
}

TEST_F(CollectorTest, AWorkerThatIsNotReadyIsNotAsked) {
  workers_.SetReady(0, false);
  ExpectComplete(Collect(Groups(3, 2)), 3, 2);
  EXPECT_EQ(workers_.service(0).calls(), 0);
}

TEST_F(CollectorTest, WhenNobodyServesTheWaitHasAnEnd) {
  workers_.SetReady(0, false);
  workers_.SetReady(1, false);
  options_.no_service_seconds = 0.3;
  EXPECT_THAT(FaultOf(Groups(1, 1), ErrorCode::kUnavailable),
              HasSubstr("no rollout worker has served for"));
  workers_.SetReady(0, true);
  rewards_.SetReady(0, false);
  EXPECT_THAT(FaultOf(Groups(1, 1), ErrorCode::kUnavailable),
              HasSubstr("no reward service has served for"));
}

TEST_F(CollectorTest, AsksTheEnvironmentOnceForEachEpisode) {
  FakeEnvironment environment;
  Collector collector(
      workers_, rewards_, environment, terms_, [](std::span<const int32_t>) { return "x"; },
      options_);
  collector.Collect(Groups(2, 3), {}, kVersion);
  EXPECT_THAT(environment.seen(), testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5));
}

TEST_F(CollectorTest, AnEnvironmentThatWantsASecondTurnIsNotSilentlyCutShort) {
  FakeEnvironment environment(std::deque<std::vector<int32_t>>{{5}});
  Collector collector(
      workers_, rewards_, environment, terms_, [](std::span<const int32_t>) { return "x"; },
      options_);
  EXPECT_THROW(collector.Collect(Groups(1, 1), {}, kVersion), std::exception);
}

}  // namespace
}  // namespace cohort::rl
