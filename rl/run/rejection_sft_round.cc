#include "rl/run/rejection_sft_round.h"

#include <set>
#include <string>
#include <utility>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "rl/data/epoch_order.h"
#include "rl/run/sft_update.h"

namespace cohort::rl {
namespace {

struct RejectionSamples {
  std::vector<Demonstration> kept;
  int64_t sampled = 0;
  int64_t good = 0;  // with the reward that is asked for; equal answers to one prompt are kept once
  std::vector<EpisodeGroup> groups;  // all of it
};

RejectionSamples SampleAndReject(RunContext& context, const proto::RoundSpec& spec) {
  PublishPolicy(context);
  CollectedGroups collected =
      context.rollouts.Collect(NextEpisodeGroups(context, spec), context.rollouts.sampling());
  RejectionSamples samples;
  // A prompt may come in several groups.
  std::set<std::pair<std::vector<int32_t>, std::vector<int32_t>>> seen;
  for (const EpisodeGroup& group : collected.groups) {
    for (const Episode& episode : group.episodes) {
      ++samples.sampled;
      const bool good =
          episode.graded() && *episode.reward() >= spec.min_reward() && !episode.truncated();
      samples.good += good ? 1 : 0;
      if (good && seen.emplace(group.problem->prompt_ids, episode.completion_ids).second) {
        samples.kept.push_back({group.problem->prompt_ids, episode.completion_ids});
      }
    }
  }
  samples.groups = std::move(collected.groups);
  return samples;
}

// One a line; the last line has the checksum of those before it.
void WriteDemonstrations(const std::filesystem::path& path,
                         const std::vector<Demonstration>& demonstrations) {
  std::string lines;
  for (const Demonstration& demonstration : demonstrations) {
    lines += base::Json{{"prompt_ids", demonstration.prompt_ids},
                        {"completion_ids", demonstration.completion_ids}}
                 .dump() +
             "\n";
  }
  base::WriteFileDurably(path, lines + base::Json{{"xxh3", base::Checksum(lines)}}.dump() + "\n");
}

std::vector<Demonstration> ReadDemonstrations(const std::filesystem::path& path) {
  std::vector<Demonstration> demonstrations;
  uint64_t expected = 0;
  base::ForEachJsonLine(path, [&](const base::Json& row, int) {
    if (row.contains("xxh3")) {
      expected = row.at("xxh3").get<uint64_t>();
    } else {
      demonstrations.push_back({row.at("prompt_ids").get<std::vector<int32_t>>(),
                                row.at("completion_ids").get<std::vector<int32_t>>()});
    }
  });
  const std::string bytes = base::ReadFile(path);
  const size_t last = bytes.rfind("{\"xxh3\"");
  if (last == std::string::npos || base::Checksum(bytes.substr(0, last)) != expected) {
    throw Error(ErrorCode::kEnvironment, path.string() + " is not what this run wrote",
                "put it back, or start anew with --fresh (the old run is kept)");
  }
  return demonstrations;
}

}  // namespace

RejectionSftRound::RejectionSftRound(RunContext& context, const proto::RoundSpec& spec, int round)
    : context_(context), spec_(spec), round_(round) {}

std::filesystem::path RejectionSftRound::StoragePath() const {
  return context_.folder.path() / ("verified-round-" + std::to_string(round_ + 1) + ".jsonl");
}

void RejectionSftRound::Begin() {
  RejectionSamples samples = SampleAndReject(context_, spec_);
  WriteDemonstrations(StoragePath(), samples.kept);
  context_.console.Note(std::to_string(samples.good) + " of " + std::to_string(samples.sampled) +
                        " sampled answers reach min_reward; " +
                        std::to_string(samples.kept.size()) +
                        " different ones become demonstrations");
  figures_.sampled_answers = samples.sampled;
  figures_.good_answers = samples.good;
  figures_.kept_answers = static_cast<int64_t>(samples.kept.size());
  if (samples.kept.empty()) {
    throw Error(ErrorCode::kUsage, "no sampled answer reached min_reward",
                "lower rounds[" + std::to_string(round_) +
                    "].min_reward or train longer before this round");
  }
  demonstrations_ = std::move(samples.kept);
  sampled_ = std::move(samples.groups);
}

void RejectionSftRound::Resume() { demonstrations_ = ReadDemonstrations(StoragePath()); }

StepWork RejectionSftRound::Take() {
  EpochOrder order(demonstrations_.size(), context_.recipe.seed() + static_cast<uint64_t>(round_));
  const auto count = static_cast<uint64_t>(spec_.sequences_per_step());
  const uint64_t first = static_cast<uint64_t>(context_.progress.step_in_round) * count;
  std::vector<Demonstration> batch;
  for (uint64_t i = 0; i < count; ++i) batch.push_back(demonstrations_[order.At(first + i)]);
  StepWork work{DemonstrationSequences(batch), {}};
  work.record.metrics = std::exchange(figures_, {});
  work.record.entry.groups = std::exchange(sampled_, {});
  work.record.entry.temperature = context_.recipe.rollout().temperature();
  return work;
}

StepRecord RejectionSftRound::Update(StepWork work) {
  return UpdateOnDemonstrations(context_, spec_, std::move(work));
}

}  // namespace cohort::rl
