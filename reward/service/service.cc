#include "reward/service/service.h"

#include <algorithm>

#include "base/error.h"
#include "reward/registry.h"
#include "reward/service/request_check.h"
#include "reward/service/score_call.h"

namespace cohort::reward {
namespace {

constexpr size_t kMaxCachedGraders = 64;

// The term's name and options as one text that no other term has.
std::string CacheKey(const RewardTerm& term) {
  const std::map<std::string, std::string> sorted(term.options().begin(), term.options().end());
  std::string key = term.name();
  for (const auto& [name, value] : sorted) {
    key += '\0' + std::to_string(name.size()) + ':' + name + std::to_string(value.size()) + ':' +
           value;
  }
  return key;
}

// For callers that may use this machine as its owner. Errors: kUsage.
void RefuseTrusted(const RewardTerm& term) {
  const RewardInfo& reward = FindReward(term.name());
  constexpr char kHint[] =
      "start it with --allow-plugins if everyone who can connect may run code here";
  if (reward.trusted_only) {
    throw Error(ErrorCode::kUsage, "this service loads no plug-ins: it listens beyond loopback",
                kHint);
  }
  for (const OptionInfo& option : reward.options) {
    if (!option.trusted_only || !term.options().contains(option.name)) continue;
    throw Error(ErrorCode::kUsage,
                "this service reads no file for the option '" + option.name + "' of '" +
                    reward.name + "': it listens beyond loopback",
                kHint);
  }
}

grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext* context,
                                   const grpc::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

}  // namespace

std::shared_ptr<const Grader> RewardService::KnownGrader(const std::string& key) {
  const auto found = std::find_if(graders_.begin(), graders_.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  if (found == graders_.end()) return nullptr;
  graders_.splice(graders_.begin(), graders_, found);
  return found->second;
}

std::shared_ptr<const Grader> RewardService::CachedGrader(const RewardTerm& term) {
  if (!settings_.allow_plugins) RefuseTrusted(term);
  const std::string key = CacheKey(term);
  {
    const std::lock_guard lock(mutex_);
    if (auto known = KnownGrader(key)) return known;
  }
  // Starting a plug-in takes milliseconds: not under the lock.
  std::shared_ptr<const Grader> grader =
      MakeGrader(term.name(), {term.options().begin(), term.options().end()});
  std::shared_ptr<const Grader> evicted;  // destroyed after the lock is gone
  const std::lock_guard lock(mutex_);
  // Another call made it meanwhile: two would judge equal samples twice.
  if (auto known = KnownGrader(key)) return known;
  graders_.emplace_front(key, grader);
  if (graders_.size() > kMaxCachedGraders) {
    evicted = std::move(graders_.back().second);
    graders_.pop_back();
  }
  return grader;
}

std::shared_ptr<ScoreBatch> RewardService::MakeBatch(const ScoreRequest& request) {
  CheckRequest(request);
  auto terms = std::make_shared<Terms>();
  for (const RewardTerm& term : request.terms()) {
    terms->push_back({term.name(), term.weight(), CachedGrader(term)});
  }
  NumberRepeatedNames(terms.get());
  auto batch = std::make_shared<ScoreBatch>();
  batch->terms = std::move(terms);
  batch->term_limit = request.sample_deadline_ms() == 0
                          ? settings_.default_limit
                          : std::chrono::milliseconds(request.sample_deadline_ms());
  batch->samples.reserve(request.samples_size());
  for (const Sample& sample : request.samples()) batch->samples.push_back(&sample);
  return batch;
}

grpc::ServerWriteReactor<Verdict>* RewardService::Score(grpc::CallbackServerContext* context,
                                                        const ScoreRequest* request) {
  if (const grpc::Status status = gate_.Check(*context); !status.ok()) {
    return ScoreCall::Refuse(status);
  }
  if (draining_) {
    return ScoreCall::Refuse({grpc::StatusCode::UNAVAILABLE, "the reward service is stopping"});
  }
  try {
    return ScoreCall::Start(MakeBatch(*request), scorer_);
  } catch (const std::exception& error) {
    return ScoreCall::Refuse(ToGrpcStatus(error));
  }
}

grpc::ServerUnaryReactor* RewardService::Describe(grpc::CallbackServerContext* context,
                                                  const DescribeRequest*, DescribeReply* reply) {
  if (const grpc::Status status = gate_.Check(*context); !status.ok()) {
    return Finished(context, status);
  }
  for (const RewardInfo& reward : RegisteredRewards()) {
    auto* entry = reply->add_rewards();
    entry->set_name(reward.name);
    entry->set_description(reward.description);
    for (const OptionInfo& option : reward.options) {
      entry->add_options(option.name + ": " + option.description);
    }
  }
  return Finished(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* RewardService::Health(grpc::CallbackServerContext* context,
                                                const HealthRequest*, HealthReply* reply) {
  if (const grpc::Status status = gate_.Check(*context); !status.ok()) {
    return Finished(context, status);
  }
  reply->set_serving(!draining_);
  const ScorerProgress progress = scorer_->progress();
  reply->set_samples_scored(progress.scored);
  reply->set_samples_failed(progress.failed);
  reply->set_samples_waiting(progress.waiting);
  reply->set_samples_running(progress.running);
  reply->set_since_progress_ms(static_cast<uint64_t>(progress.since_verdict.count()));
  return Finished(context, grpc::Status::OK);
}

}  // namespace cohort::reward
