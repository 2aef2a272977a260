// remote: a server of any language that implements reward.proto, asked beside the rewards at home.

#include <grpcpp/grpcpp.h>

#include <cmath>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/listen.h"
#include "base/rpc_token.h"
#include "reward/registry.h"
#include "reward/reward.grpc.pb.h"

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstBackoff(100), kLongestBackoff(1'000);

// One call, whose verdicts go to `accept` on gRPC's threads.
class VerdictStream final : public grpc::ClientReadReactor<Verdict> {
 public:
  explicit VerdictStream(std::function<void(const Verdict&)> accept) : accept_(std::move(accept)) {}

  void OnReadDone(bool ok) override {
    if (!ok) return;
    accept_(verdict_);
    StartRead(&verdict_);
  }
  void OnDone(const grpc::Status& status) override {
    const std::lock_guard lock(mutex_);
    status_ = status;
    done_.notify_all();
  }

  grpc::Status Run(Reward::Stub* stub, grpc::ClientContext* context, const ScoreRequest& request,
                   const Budget& budget) {
    stub->async()->Score(context, &request, this);
    StartRead(&verdict_);
    StartCall();
    std::unique_lock lock(mutex_);
    while (!done_.wait_for(lock, milliseconds(50), [&] { return status_.has_value(); })) {
      if (budget.Cancelled()) context->TryCancel();
    }
    return *status_;
  }

 private:
  const std::function<void(const Verdict&)> accept_;
  Verdict verdict_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::optional<grpc::Status> status_;  // guarded by mutex_
};

RewardTerm ReadTerm(const Options& options) {
  RewardTerm term;
  term.set_name(options.Text("reward", "default"));
  term.set_weight(1);
  const auto json = nlohmann::json::parse(options.Text("options", "{}"), nullptr, false);
  if (!json.is_object()) options.Fail("option 'options' is no JSON object");
  for (const auto& [key, value] : json.items()) {
    (*term.mutable_options())[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return term;
}

class RemoteGrader final : public Grader {
 public:
  explicit RemoteGrader(const Options& options)
      : address_(options.RequiredText("address")), term_(ReadTerm(options)) {
    if (!base::IsAddress(address_)) {
      options.Fail("option 'address' is '" + address_ + "', expected HOST:PORT or unix:PATH");
    }
    const std::string token_file = options.Text("token_file", "");
    if (!token_file.empty()) base::ReadToken(token_file);
    channel_ = grpc::experimental::CreateCustomChannelWithInterceptors(
        address_, grpc::InsecureChannelCredentials(), {}, base::ShowingToken(address_, token_file));
    stub_ = Reward::NewStub(channel_);
  }

  Grade Score(const Sample& sample, const Budget& budget) const override {
    const Sample* const one[] = {&sample};
    return ScoreBatch(one, budget).front();
  }

  bool takes_batches() const override { return true; }

  // A sample that had no verdict in company is asked for again alone, with a limit of its own.
  std::vector<Grade> ScoreBatch(std::span<const Sample* const> samples,
                                const Budget& budget) const override {
    std::vector<std::optional<Grade>> found(samples.size());
    Grade fault = Ask(samples, budget, found);
    std::vector<Grade> grades;
    for (size_t i = 0; i < samples.size(); ++i) {
      if (!found[i].has_value() && samples.size() > 1 && !budget.Cancelled()) {
        fault = Ask(samples.subspan(i, 1), budget.StartedAgain(), std::span(found).subspan(i, 1));
      }
      grades.push_back(found[i].value_or(fault));
    }
    return grades;
  }

 private:
  // Fills what the server judged; the grade of the others. Scoring has no effects, so a call that
  // broke is simply made again while there is time.
  Grade Ask(std::span<const Sample* const> samples, const Budget& budget,
            std::span<std::optional<Grade>> found) const {
    ScoreRequest request;
    *request.add_terms() = term_;
    request.set_sample_deadline_ms(static_cast<uint32_t>(budget.limit().count()));
    for (size_t i = 0; i < samples.size(); ++i) {
      *request.add_samples() = *samples[i];
      request.mutable_samples(static_cast<int>(i))->set_sample_id(i);
    }
    const auto accept = [&](const Verdict& verdict) {
      if (verdict.sample_id() >= found.size()) return;  // nobody asked for it
      std::optional<Grade>& grade = found[verdict.sample_id()];
      if (!grade.has_value()) grade = ToGrade(verdict);
    };
    for (milliseconds backoff = kFirstBackoff;; backoff = std::min(2 * backoff, kLongestBackoff)) {
      grpc::ClientContext context;
      // Beyond the sample's limit by what a server's own "timeout" takes to arrive.
      context.set_deadline(std::chrono::system_clock::now() + budget.Left() + milliseconds(200));
      context.set_wait_for_ready(true);
      const grpc::Status status = VerdictStream(accept).Run(stub_.get(), &context, request, budget);
      const bool again = status.error_code() == grpc::StatusCode::UNAVAILABLE;
      if (!again || budget.Left() <= backoff || budget.Cancelled()) return Fault(status, budget);
      std::this_thread::sleep_for(backoff);
    }
  }

  Grade Fault(const grpc::Status& status, const Budget& budget) const {
    const std::string server = "the reward server at " + address_;
    if (budget.Cancelled()) return Failed(STATUS_ERROR, "the call was cancelled");
    if (status.ok()) return Failed(STATUS_ERROR, server + " returned no verdict for this sample");
    const bool connected = channel_->GetState(false) == GRPC_CHANNEL_READY;
    if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) {
      return Failed(STATUS_ERROR, server + ": " + status.error_message());
    }
    if (!connected) return Failed(STATUS_ERROR, server + " cannot be reached");
    return Failed(STATUS_TIMEOUT, server + " did not answer within " +
                                      std::to_string(budget.limit().count()) + " ms");
  }

  Grade ToGrade(const Verdict& verdict) const {
    if (!Status_IsValid(verdict.status()) || verdict.status() == STATUS_UNSPECIFIED) {
      return Failed(STATUS_ERROR, "the reward server at " + address_ + " gave the unknown status " +
                                      std::to_string(verdict.status()));
    }
    Grade grade = {verdict.score(), verdict.status(), verdict.detail()};
    for (const Component& component : verdict.components()) {
      std::string name = component.name();
      if (name == term_.name()) {  // what the verdict says
        if (component.has_answer()) grade.answer = component.answer();
        continue;
      }
      if (name.starts_with(term_.name() + ".")) name = name.substr(term_.name().size() + 1);
      if (component.status() == STATUS_OK) grade.parts.push_back({name, component.score()});
      if (component.status() == STATUS_NOT_APPLICABLE) grade.parts.push_back({name, std::nullopt});
    }
    return grade;
  }

  const std::string address_;
  const RewardTerm term_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Reward::Stub> stub_;
};

}  // namespace

RewardInfo RemoteReward() {
  return {"remote",
          "a server of your own that implements reward/reward.proto",
          {{"address", "HOST:PORT or unix:PATH; plain gRPC"},
           {"reward", "the name that it is asked for (default \"default\")"},
           {"options", "that reward's own options, one JSON object"},
           {"token_file", "of a service that wants a token; default: where it leaves it here"}},
          [](const Options& options) { return std::make_unique<RemoteGrader>(options); },
          /*starts_process=*/false,
          /*trusted_only=*/true};
}

}  // namespace cohort::reward
