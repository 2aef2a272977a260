#include "rl/journal/entry_reader.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "rl/journal/compressed_file.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

using nlohmann::json;

double NumberOf(const json& value) {
  if (!value.is_string()) return value.get<double>();
  const std::string& name = value.get_ref<const std::string&>();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (name == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (name == "inf") return kInfinity;
  if (name == "-inf") return -kInfinity;
  throw Error(ErrorCode::kEnvironment, "'" + name + "' is no number");
}

std::vector<int32_t> Ids(const json& row, const char* key) {
  return row.value(key, std::vector<int32_t>());
}

std::string Routing(const json& row, const char* key) {
  const auto bytes = row.value(key, std::vector<uint8_t>());
  return {bytes.begin(), bytes.end()};
}

// "timeout" gives STATUS_TIMEOUT.
reward::Status StatusOf(const json& row) {
  std::string name = "STATUS_" + row.at("status").get<std::string>();
  for (char& letter : name) letter = static_cast<char>(std::toupper(letter));
  reward::Status status = reward::STATUS_UNSPECIFIED;
  if (!reward::Status_Parse(name, &status)) {
    throw Error(ErrorCode::kEnvironment, "'" + name + "' is no status of a reward");
  }
  return status;
}

reward::Verdict VerdictOf(const json& row) {
  reward::Verdict verdict;
  verdict.set_sample_id(row.at("sample_id").get<uint64_t>());
  verdict.set_status(StatusOf(row));
  verdict.set_detail(row.value("detail", ""));
  if (row.contains("reward")) verdict.set_score(NumberOf(row.at("reward")));
  for (const json& part : row.at("rewards")) {
    reward::Component& component = *verdict.add_components();
    component.set_name(part.at("name").get<std::string>());
    component.set_status(StatusOf(part));
    component.set_detail(part.value("detail", ""));
    if (part.contains("score")) component.set_score(NumberOf(part.at("score")));
  }
  return verdict;
}

Episode EpisodeOf(const json& row) {
  Episode episode;
  episode.sample_id = row.at("sample_id").get<uint64_t>();
  episode.policy_version = row.at("policy_version").get<int64_t>();
  episode.finish_reason = row.at("finish_reason") == "length" ? rollout::FinishReason::kLength
                                                              : rollout::FinishReason::kStop;
  episode.completion = row.at("completion").get<std::string>();
  episode.completion_ids = Ids(row, "ids");
  for (const json& value : row.value("rollout_logprobs", json::array())) {
    episode.rollout_logprobs.push_back(static_cast<float>(NumberOf(value)));
  }
  if (episode.rollout_logprobs.size() != episode.completion_ids.size()) {
    throw Error(ErrorCode::kEnvironment, "a sample has not one logprob a token");
  }
  episode.routing = Routing(row, "routing");
  episode.verdict = VerdictOf(row);
  return episode;
}

void AddGroup(const json& row, JournalEntry* entry) {
  EncodedProblem problem;
  problem.problem.question = row.at("prompt").get<std::string>();
  problem.problem.answer = row.at("answer").get<std::string>();
  problem.prompt_ids = Ids(row, "prompt_ids");
  EpisodeGroup& group = entry->groups.emplace_back();
  group.group_id = row.at("group_id").get<uint64_t>();
  group.problem = std::make_shared<const EncodedProblem>(std::move(problem));
  if (row.contains("prompt_routing")) {
    group.prompt_routing = std::make_shared<const std::string>(Routing(row, "prompt_routing"));
  }
  GroupAdvantages advantages;
  for (const json& sample : row.at("samples")) {
    group.episodes.push_back(EpisodeOf(sample));
    advantages.emplace_back();
    if (sample.contains("advantage")) advantages.back() = NumberOf(sample.at("advantage"));
  }
  const bool learns_from_groups = entry->objective.has_preset();
  if (learns_from_groups) entry->advantages.push_back(std::move(advantages));
}

TrainingSequence DemonstrationOf(const json& row) {
  TrainingSequence sequence;
  sequence.ids = Ids(row, "prompt_ids");
  sequence.prompt_length = static_cast<int64_t>(sequence.ids.size());
  const std::vector<int32_t> completion = Ids(row, "ids");
  sequence.ids.insert(sequence.ids.end(), completion.begin(), completion.end());
  sequence.loss_mask = row.value("loss_mask", std::vector<uint8_t>());
  return sequence;
}

JournalUpdate UpdateOf(const json& row) {
  JournalUpdate update;
  update.learning_rate = NumberOf(row.at("learning_rate"));
  UpdateReport& report = update.report;
  report.loss = NumberOf(row.at("loss"));
  report.grad_norm = NumberOf(row.at("grad_norm"));
  report.entropy = NumberOf(row.at("entropy"));
  report.trained_tokens = row.at("trained_tokens").get<int64_t>();
  report.skipped = row.at("skipped").get<std::string>();
  report.policy.gap_sum = NumberOf(row.value("logprob_gap_sum", json(0)));
  report.policy.gap_tokens = row.value("logprob_gap_tokens", int64_t{0});
  report.replayed_tokens = row.value("replayed_tokens", int64_t{0});
  report.rerouted_tokens = row.value("rerouted_tokens", int64_t{0});
  return update;
}

// Counts of the lines that follow a head.
struct Expected {
  size_t groups = 0, demonstrations = 0;
};

Expected ReadHead(const json& head, JournalEntry* entry) {
  if (head.value("journal", 0) != 1) {
    throw Error(ErrorCode::kEnvironment, "this is no journal, or one of another version of cohort");
  }
  entry->step = head.at("step").get<int64_t>();
  entry->round = head.at("round").get<int32_t>() - 1;
  entry->step_in_round = head.at("step_in_round").get<int64_t>();
  entry->mode = EnumOf<proto::Output::Journal>(head.at("mode").get<std::string>())
                    .value_or(proto::Output::JOURNAL_OFF);
  entry->recipe = head.at("recipe").get<std::string>();
  entry->platform = head.at("platform").get<Platform>();
  if (head.contains("objective")) {
    const auto read =
        google::protobuf::util::JsonStringToMessage(head.at("objective").dump(), &entry->objective);
    if (!read.ok()) {
      throw Error(ErrorCode::kEnvironment,
                  "the objective cannot be read: " + std::string(read.message()));
    }
  }
  entry->temperature = NumberOf(head.value("temperature", json(1)));
  for (const json& row : head.at("updates")) entry->updates.push_back(UpdateOf(row));
  const bool all = entry->mode == proto::Output::JOURNAL_ALL;
  return {head.at("groups").get<size_t>(), all ? head.at("demonstrations").get<size_t>() : 0};
}

}  // namespace

JournalEntry ReadEntry(const std::filesystem::path& path) {
  JournalEntry entry;
  Expected expected;
  ForEachCompressedLine(path, [&](std::string_view line, int number) {
    const json row = json::parse(line, nullptr, false);
    if (!row.is_object()) throw Error(ErrorCode::kEnvironment, "this is no JSON object");
    try {
      if (number == 1) {
        expected = ReadHead(row, &entry);
      } else if (row.contains("samples")) {
        AddGroup(row, &entry);
      } else {
        entry.demonstrations.push_back(DemonstrationOf(row));
      }
    } catch (const json::exception& error) {
      throw Error(ErrorCode::kEnvironment, error.what());
    }
  });
  if (entry.groups.size() != expected.groups ||
      entry.demonstrations.size() != expected.demonstrations) {
    throw Error(ErrorCode::kEnvironment,
                path.string() + " does not hold the groups and demonstrations that it announces");
  }
  MarkCommonPrompts(entry.demonstrations);
  return entry;
}

}  // namespace cohort::rl
