#include "rl/journal/entry_writer.h"

#include <google/protobuf/util/json_util.h>

#include <charconv>
#include <cmath>
#include <concepts>

#include "base/error.h"
#include "base/json_lines.h"
#include "rl/evaluation/judged_episode.h"
#include "rl/objectives/objective.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

using base::OrderedJson;

const char* NameOfNonFinite(double value) {
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

OrderedJson Number(double value) {
  return std::isfinite(value) ? OrderedJson(value) : OrderedJson(NameOfNonFinite(value));
}

// The shortest decimal that reads back as `value`.
template <typename T>
void Append(T value, std::string* line) {
  if constexpr (std::is_same_v<T, float>) {
    // This float alone of all becomes its neighbour where a reader takes it for a double
    // first.
    if (std::abs(value) == 7.038531e-26F) return Append(static_cast<double>(value), line);
  }
  if constexpr (std::floating_point<T>) {
    if (!std::isfinite(value)) {
      *line += '"' + std::string(NameOfNonFinite(value)) + '"';
      return;
    }
    if (value == 0 && std::signbit(value)) {  // an integer of -0 would lose its sign
      *line += "-0.0";
      return;
    }
  }
  char digits[32];
  line->append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}

template <typename T>
void AppendList(const char* key, const std::vector<T>& values, std::string* line) {
  *line += key;
  char separator = '[';
  for (const T value : values) {
    *line += separator;
    Append(value, line);
    separator = ',';
  }
  *line += values.empty() ? "[]" : "]";
}

// Byte by byte; nothing where there is none.
void AppendRouting(const char* key, const std::string& routing, std::string* line) {
  if (routing.empty()) return;
  AppendList(key, std::vector<uint8_t>(routing.begin(), routing.end()), line);
}

void AppendText(const char* key, const std::string& text, std::string* line) {
  *line += key;
  *line += base::DumpJson(text);
}

// "ok", "timeout", ...
std::string StatusWord(reward::Status status) {
  std::string word = reward::Status_Name(status).substr(std::string("STATUS_").size());
  for (char& letter : word) letter = static_cast<char>(std::tolower(letter));
  return word;
}

void AppendStatus(reward::Status status, const std::string& detail, std::string* line) {
  *line += ",\"status\":\"" + StatusWord(status) + '"';
  if (status != reward::STATUS_OK) AppendText(",\"detail\":", detail, line);
}

void AppendVerdict(const reward::Verdict& verdict, std::string* line) {
  AppendStatus(verdict.status(), verdict.detail(), line);
  if (verdict.status() == reward::STATUS_OK) {
    *line += ",\"reward\":";
    Append(verdict.score(), line);
  }
  *line += ",\"rewards\":[";
  for (const reward::Component& component : verdict.components()) {
    if (line->back() == '}') *line += ',';
    AppendText("{\"name\":", component.name(), line);
    AppendStatus(component.status(), component.detail(), line);
    if (component.status() == reward::STATUS_OK) {
      *line += ",\"score\":";
      Append(component.score(), line);
    }
    *line += '}';
  }
  *line += ']';
}

// Without the closing brace.
void AppendSample(const Episode& episode, bool with_ids, std::string* line) {
  *line += "{\"sample_id\":";
  Append(episode.sample_id, line);
  *line += ",\"policy_version\":";
  Append(episode.policy_version, line);
  *line += episode.truncated() ? ",\"finish_reason\":\"length\"" : ",\"finish_reason\":\"stop\"";
  *line += ",\"tokens\":";
  Append(episode.completion_ids.size(), line);
  AppendText(",\"completion\":", episode.completion, line);
  if (with_ids) {
    AppendList(",\"ids\":", episode.completion_ids, line);
    AppendList(",\"rollout_logprobs\":", episode.rollout_logprobs, line);
    AppendRouting(",\"routing\":", episode.routing, line);
  }
  AppendVerdict(episode.verdict, line);
}

// `rest` adds what is said of a sample besides.
template <typename Rest>
std::string GroupLine(const EpisodeGroup& group, bool with_ids, Rest rest) {
  std::string line = "{\"group_id\":";
  Append(group.group_id, &line);
  AppendText(",\"prompt\":", group.problem->problem.question, &line);
  AppendText(",\"answer\":", group.problem->problem.answer, &line);
  if (with_ids) AppendList(",\"prompt_ids\":", group.problem->prompt_ids, &line);
  if (with_ids && group.prompt_routing != nullptr) {
    AppendRouting(",\"prompt_routing\":", *group.prompt_routing, &line);
  }
  line += ",\"samples\":[";
  for (size_t i = 0; i < group.episodes.size(); ++i) {
    if (i > 0) line += ',';
    AppendSample(group.episodes[i], with_ids, &line);
    rest(i, &line);
    line += '}';
  }
  return line + "]}\n";
}

OrderedJson UpdateJson(const JournalUpdate& update) {
  const UpdateReport& report = update.report;
  OrderedJson row = {
      {"learning_rate", Number(update.learning_rate)}, {"loss", Number(report.loss)},
      {"grad_norm", Number(report.grad_norm)},         {"entropy", Number(report.entropy)},
      {"trained_tokens", report.trained_tokens},       {"skipped", report.skipped}};
  if (report.policy.gap_tokens > 0) {
    row["logprob_gap_sum"] = Number(report.policy.gap_sum);
    row["logprob_gap_tokens"] = report.policy.gap_tokens;
  }
  if (report.replayed_tokens > 0) {
    row["replayed_tokens"] = report.replayed_tokens;
    row["rerouted_tokens"] = report.rerouted_tokens;
  }
  return row;
}

OrderedJson Head(const JournalEntry& entry) {
  OrderedJson head = {{"journal", 1},
                      {"mode", WordOf(entry.mode)},
                      {"step", entry.step},
                      {"round", entry.round + 1},
                      {"step_in_round", entry.step_in_round},
                      {"recipe", entry.recipe},
                      {"platform", OrderedJson(nlohmann::json(entry.platform))}};
  if (!entry.groups.empty()) head["temperature"] = Number(entry.temperature);
  if (!entry.advantages.empty()) {
    std::string objective;
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    const auto printed =
        google::protobuf::util::MessageToJsonString(entry.objective, &objective, options);
    COHORT_CHECK(printed.ok(), "an objective is printed as JSON");
    head["objective"] = OrderedJson::parse(objective);
  }
  head["groups"] = entry.groups.size();
  head["demonstrations"] = entry.demonstrations.size();
  head["updates"] = OrderedJson::array();
  for (const JournalUpdate& update : entry.updates) head["updates"].push_back(UpdateJson(update));
  return head;
}

std::string DemonstrationLine(const TrainingSequence& sequence) {
  const auto prompt_end = sequence.ids.begin() + sequence.prompt_length;
  std::string line;
  AppendList("{\"prompt_ids\":", std::vector<int32_t>(sequence.ids.begin(), prompt_end), &line);
  AppendList(",\"ids\":", std::vector<int32_t>(prompt_end, sequence.ids.end()), &line);
  if (!sequence.loss_mask.empty()) AppendList(",\"loss_mask\":", sequence.loss_mask, &line);
  return line + "}\n";
}

}  // namespace

void WriteEntry(const JournalEntry& entry, CompressedFile* file) {
  file->Write(Head(entry).dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
  const bool all = entry.mode == proto::Output::JOURNAL_ALL;
  const bool with_kl = !entry.advantages.empty() && NeedsRefLogprobs(entry.objective);
  for (size_t g = 0; g < entry.groups.size(); ++g) {
    file->Write(GroupLine(entry.groups[g], all, [&](size_t i, std::string* line) {
      if (entry.advantages.empty()) return;
      const std::optional<double>& advantage = entry.advantages[g][i];
      // As the learner does: without a KL term an advantage of 0 has no gradient.
      const bool trained = advantage.has_value() && (*advantage != 0 || with_kl);
      if (advantage.has_value()) {
        *line += ",\"advantage\":";
        Append(*advantage, line);
      }
      *line += trained ? ",\"trained\":true" : ",\"trained\":false";
    }));
  }
  for (const TrainingSequence& sequence : entry.demonstrations) {
    if (all) file->Write(DemonstrationLine(sequence));
  }
}

void WriteEvaluation(const JournalEvaluation& evaluation, proto::Output::Journal mode,
                     CompressedFile* file) {
  const OrderedJson head = {{"journal", 1},
                            {"mode", WordOf(mode)},
                            {"step", evaluation.step},
                            {"eval_after", evaluation.after},
                            {"reward", evaluation.reward},
                            {"temperature", Number(evaluation.temperature)},
                            {"groups", evaluation.groups.size()}};
  file->Write(head.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
  for (const EpisodeGroup& group : evaluation.groups) {
    file->Write(
        GroupLine(group, mode == proto::Output::JOURNAL_ALL, [&](size_t i, std::string* line) {
          const JudgedEpisode judged{group.episodes[i], evaluation.reward};
          if (judged.judged())
            *line += judged.correct() ? ",\"correct\":true" : ",\"correct\":false";
        }));
  }
}

}  // namespace cohort::rl
