#pragma once

#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "rl/run/round.h"
#include "rl/run/run_context.h"

namespace cohort::rl {

// Learns nothing, and notes what it is asked for.
class FakeRound final : public Round {
 public:
  using Events = std::vector<std::string>;

  struct Script {
    bool samples = true;
    std::function<void(int64_t step, StepMetrics* metrics)> update = [](int64_t, StepMetrics*) {};
    std::string first_failure;  // of the rewards of every step
    int64_t journal_bytes = 0;  // that every step adds to the journal, about
  };

  FakeRound(RunContext& context, const Script& script, Events* events)
      : context_(context), script_(script), events_(*events) {}

  bool samples() const override { return script_.samples; }
  void Begin() override { events_.push_back("begin"); }
  void Resume() override { events_.push_back("resume"); }
  StepWork Take() override {
    events_.push_back("take " + std::to_string(context_.progress.data_cursor++));
    return {};
  }
  StepRecord Update(StepWork work) override {
    events_.push_back("update");
    ++context_.progress.policy_version;
    StepRecord record = std::move(work.record);
    record.metrics.loss = static_cast<double>(context_.progress.data_cursor);
    record.samples.records.push_back({{"sample_id", context_.progress.data_cursor}});
    record.samples.first_failure = script_.first_failure;
    record.entry.demonstrations.push_back(Noise());
    script_.update(context_.progress.step + 1, &record.metrics);
    return record;
  }
  void Release() override { events_.push_back("release"); }

 private:
  // Ids that do not compress: two bytes each.
  TrainingSequence Noise() const {
    std::mt19937 random(static_cast<uint32_t>(context_.progress.data_cursor));
    TrainingSequence sequence;
    sequence.prompt_length = 1;
    sequence.ids.resize(static_cast<size_t>(1 + script_.journal_bytes / 2));
    for (int32_t& id : sequence.ids) id = static_cast<int32_t>(random() % 65'536);
    return sequence;
  }

  RunContext& context_;
  Script script_;
  Events& events_;
};

}  // namespace cohort::rl
