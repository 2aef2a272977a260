#include "rl/records/step_metrics.h"

#include <cstdio>
#include <type_traits>

namespace cohort::rl {
namespace {

using nlohmann::json;

constexpr unsigned kEveryStep = kGrpoRow | kSftRow;
constexpr unsigned kEveryRow = kEveryStep | kEvalRow;

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char buffer[128];
  std::snprintf(buffer, sizeof(buffer), format, values...);
  return buffer;
}

std::string FormatIf(const char* format, const std::optional<double>& value, double scale = 1) {
  return value.has_value() ? Format(format, scale * *value) : "";
}

// 950, 9.5k, 52k, 1.2M
std::string TokensPerSecond(const char* name, const std::optional<double>& rate) {
  if (!rate.has_value()) return "";
  if (*rate < 999.5) return Format("%s %.0f tok/s", name, *rate);
  const bool millions = *rate >= 999'500;
  const double scaled = *rate / (millions ? 1e6 : 1e3);
  const char* format = scaled < 9.95 ? "%s %.1f%s tok/s" : "%s %.0f%s tok/s";
  return Format(format, name, scaled, millions ? "M" : "k");
}

// The loss of a policy-gradient step hovers about 0 whatever happens, so that only SFT's is shown.
std::string ProgressLoss(const StepMetrics& m) {
  return m.groups.has_value() ? "" : FormatIf("loss %.4f", m.loss);
}

std::string ProgressReward(const StepMetrics& m) {
  return FormatIf("reward %.2f", m.reward_mean) + FormatIf("+-%.2f", m.reward_std);
}

std::string ProgressZeroVariance(const StepMetrics& m) {
  if (!m.zero_variance_groups || !m.groups) return "";
  return Format("zero-variance %lld/%lld", static_cast<long long>(*m.zero_variance_groups),
                static_cast<long long>(*m.groups));
}

using M = StepMetrics;

// Figures of the row itself and of how the policy learnt.
std::vector<Figure> LearningFigures() {
  return {
      {"step", &M::step, kEveryRow, "", "finished steps of the run"},
      {"round", &M::round, kEveryRow, "",
       "counted from 1; of an evaluation the finished rounds before it"},
      {"phase", &M::phase, kEveryRow, "", "kind of the round, or `eval`"},
      {"elapsed_s", &M::elapsed_s, kEveryStep, "s", "since this program started"},
      {"loss", &M::loss, kEveryStep | kAlarm, "",
       "mean over the step's updates that trained; absent, like all that an update tells, where "
       "every "
       "advantage was 0",
       ProgressLoss},
      {"mtp_loss", &M::mtp_loss, kSftRow, "",
       "weighted part of `loss` that multi-token prediction adds"},
      {"reward_mean", &M::reward_mean, kGrpoRow, "",
       "of the samples with a reward; absent when there is none", ProgressReward},
      {"reward_std", &M::reward_std, kGrpoRow, "", "of the same samples"},
      {"rewards", &M::rewards, kGrpoRow, "",
       "`mean`, `std` and `count` of each reward, over the samples that it scored"},
      {"kl", &M::kl, kGrpoRow | kAlarm, "nats a token",
       "k3 estimate against the reference policy, or against the old policy where the objective "
       "has "
       "no KL term",
       [](const M& m) { return FormatIf("kl %.2g", m.kl); }},
      {"clip_fraction", &M::clip_fraction, kGrpoRow, "", "share of the tokens that are clipped",
       [](const M& m) { return FormatIf("clip %.1f%%", m.clip_fraction, 100); }},
      {"ratio_mean", &M::ratio_mean, kGrpoRow, "", "policy over old policy, mean over tokens"},
      {"ratio_max", &M::ratio_max, kGrpoRow, "", "the same, of the token where it is largest"},
      {"entropy", &M::entropy, kEveryStep, "nats a token",
       "of the policy before the update, over the trained samples",
       [](const M& m) { return FormatIf("entropy %.2f", m.entropy); }},
      {"logprob_gap_mean", &M::logprob_gap_mean, kGrpoRow | kDiagnostics, "nats a token",
       "between the learner's logprobs and the decoder's"},
      {"logprob_gap_max", &M::logprob_gap_max, kGrpoRow, "nats a token",
       "the same, of the token where it is largest"},
      {"grad_norm", &M::grad_norm, kEveryStep, "", "before clipping"},
      {"learning_rate", &M::learning_rate, kEveryStep, "", "of the step's last update"},
      {"skipped_updates", &M::skipped_updates, kEveryStep | kAlarm, "",
       "updates left out because their gradient is not finite"},
      {"busiest_expert", &M::busiest_expert, kEveryStep, "",
       "most loaded expert of any layer over the fair share; absent when dense"},
      {"rerouted_share", &M::rerouted_share, kGrpoRow, "",
       "of tokens x layers of replayed routing: the learner's own gate would have picked other "
       "experts"},
      {"policy_version", &M::policy_version, kGrpoRow, "",
       "that the step sampled from; + 1 an update"},
  };
}

// Figures of the samples, of the time that everything took, and of how the groups came out.
std::vector<Figure> SamplingFigures() {
  return {
      {"samples", &M::samples, kDiagnostics, "", "completions of the step"},
      {"completion_tokens", &M::completion_tokens, kGrpoRow, "tokens", "sampled in the step"},
      {"completion_length_mean", &M::completion_length_mean, kGrpoRow, "tokens",
       "mean of a completion"},
      {"truncated_samples", &M::truncated_samples, kGrpoRow | kDiagnostics, "",
       "cut at rollout.max_new_tokens"},
      {"failed_rewards", &M::failed_rewards, kGrpoRow, "",
       "samples whose grader failed: left out of the update, never a reward of 0"},
      {"not_applicable_rewards", &M::not_applicable_rewards, kGrpoRow, "",
       "samples that no reward has anything to say about"},
      {"reissued_samples", &M::reissued_samples, kGrpoRow, "",
       "sampled again because their worker died or refused"},
      {"refused_completions", &M::refused_completions, kGrpoRow, "",
       "that cannot be true (ids, lengths, logprobs); their worker is left out"},
      {"worker_restarts", &M::worker_restarts, kGrpoRow, "",
       "of workers and reward services, since the step before"},
      {"trained_tokens", &M::trained_tokens, kEveryStep, "tokens",
       "prompts and completions that went through the policy"},
      {"sampled_answers", &M::sampled_answers, kSftRow, "",
       "before the first step of a rejection_sft round"},
      {"good_answers", &M::good_answers, kSftRow, "", "of those, with at least min_reward"},
      {"kept_answers", &M::kept_answers, kSftRow, "",
       "of those, different ones of a prompt: what the round learns from"},
      {"dropped_demonstrations", &M::dropped_demonstrations, kSftRow, "",
       "longer than data.max_sequence_tokens and left out in the step"},
      {"cut_demonstrations", &M::cut_demonstrations, kSftRow, "",
       "longer than data.max_sequence_tokens and cut to it in the step"},
      {"journal_dropped_steps", &M::journal_dropped_steps, kEveryStep, "",
       "that output.journal_mib has removed from the journal so far; absent before the first"},
      {"memory_retries", &M::memory_retries, kEveryStep, "",
       "passes that ran out of memory so far and were done again in smaller micro-batches; absent "
       "before the first"},
      {"step_s", &M::step_s, kGrpoRow, "s", "the whole step, with the publishing before it"},
      {"publish_s", &M::publish_s, kGrpoRow, "s", "to bring `policy_version` to the workers"},
      {"publish_bytes", &M::publish_bytes, kGrpoRow, "bytes",
       "of `policy_version` that each worker takes: all weights, or adapters alone"},
      {"decode_s", &M::decode_s, kGrpoRow, "s", "until the last completion arrived"},
      {"reward_s", &M::reward_s, kGrpoRow, "s", "that scoring added after that"},
      {"train_s", &M::train_s, kEveryStep, "s", "all updates of the step"},
      {"forward_backward_s", &M::forward_backward_s, kGrpoRow, "s",
       "part of `train_s`: forward and backward passes"},
      {"update_s", &M::update_s, kGrpoRow, "s", "part of `train_s`: the optimizer"},
      {"decode_tokens_per_s", &M::decode_tokens_per_s, kGrpoRow, "tokens/s",
       "`completion_tokens` over `decode_s`",
       [](const M& m) { return TokensPerSecond("decode", m.decode_tokens_per_s); }},
      {"train_tokens_per_s", &M::train_tokens_per_s, kEveryStep, "tokens/s",
       "`trained_tokens` over `train_s`",
       [](const M& m) { return TokensPerSecond("train", m.train_tokens_per_s); }},
      {"groups", &M::groups, kGrpoRow | kDiagnostics, "", "problems of the step"},
      {"zero_variance_groups", &M::zero_variance_groups, kGrpoRow | kDiagnostics, "",
       "groups whose rewards are all equal, which teach nothing", ProgressZeroVariance},
      {"all_wrong_groups", &M::all_wrong_groups, kDiagnostics, "",
       "of those, at the lowest reward of the step, or not right where all rewards are equal"},
      {"all_right_groups", &M::all_right_groups, kDiagnostics, "",
       "of those, at the highest reward of the step, or right where all rewards are equal"},
  };
}

std::vector<Figure> EvaluationFigures() {
  return {
      {"eval_after", &M::eval_after, kEvalRow, "",
       "`start`, the round that ended, or the step of a round"},
      {"eval_reward", &M::eval_reward, kEvalRow, "",
       "the reward that decides: a score of at least 1 is right"},
      {"eval_accuracy", &M::eval_accuracy, kEvalRow, "",
       "share of the judged answers that are right; null when none could be judged"},
      {"eval_accuracy_low", &M::eval_accuracy_low, kEvalRow, "",
       "lower end of its 95 % confidence interval over the problems"},
      {"eval_accuracy_high", &M::eval_accuracy_high, kEvalRow, "", "upper end of the same"},
      {"eval_rewards", &M::eval_rewards, kEvalRow, "",
       "`mean`, `std` and `count` of each reward, over the answers that it scored"},
      {"eval_problems", &M::eval_problems, kEvalRow, "", "judged answers"},
      {"eval_failed", &M::eval_failed, kEvalRow, "",
       "answers whose grader failed: neither right nor wrong"},
      {"eval_completion_tokens", &M::eval_completion_tokens, kEvalRow, "tokens",
       "mean of an answer"},
      {"eval_truncated", &M::eval_truncated, kEvalRow, "",
       "share of the answers that ran into the length limit"},
      {"eval_s", &M::eval_s, kEvalRow, "s", "the whole evaluation"},
  };
}

// Discarded where absent.
json ValueOf(const StepMetrics& metrics, const Figure::Member& member) {
  return std::visit(
      [&](auto pointer) -> json {
        const auto& value = metrics.*pointer;
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, int64_t>) {
          return value;
        } else if constexpr (std::is_same_v<Value, std::string>) {
          return value.empty() ? json(json::value_t::discarded) : json(value);
        } else if constexpr (std::is_same_v<Value, std::map<std::string, RewardFigures>>) {
          json rewards(value.empty() ? json::value_t::discarded : json::value_t::object);
          for (const auto& [name, reward] : value) {
            rewards[name] = {{"mean", reward.mean}, {"std", reward.std}, {"count", reward.count}};
          }
          return rewards;
        } else {
          return value.has_value() ? json(*value) : json(json::value_t::discarded);
        }
      },
      member);
}

}  // namespace

const std::vector<Figure>& Figures() {
  static const std::vector<Figure> kFigures = [] {
    std::vector<Figure> figures = LearningFigures();
    for (const auto& more : {SamplingFigures(), EvaluationFigures()}) {
      figures.insert(figures.end(), more.begin(), more.end());
    }
    return figures;
  }();
  return kFigures;
}

json MetricsRow(const StepMetrics& metrics) {
  json row = json::object();
  for (const Figure& figure : Figures()) {
    if ((figure.uses & kEveryRow) == 0) continue;
    json value = ValueOf(metrics, figure.member);
    if (!value.is_discarded()) row[figure.key] = std::move(value);
  }
  // An accuracy that nobody knows is told as such, not left out.
  if (metrics.eval_problems.has_value()) row.emplace("eval_accuracy", nullptr);
  return row;
}

}  // namespace cohort::rl
