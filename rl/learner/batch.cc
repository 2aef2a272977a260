#include "rl/learner/batch.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "base/error.h"

namespace cohort::rl {
namespace {

bool Counts(const TrainingSequence& sequence, int64_t token) {
  return sequence.loss_mask.empty() || sequence.loss_mask[static_cast<size_t>(token)] != 0;
}

void CheckSequence(const TrainingSequence& sequence) {
  const int64_t length = sequence.completion_length();
  COHORT_CHECK(sequence.prompt_length >= 1 && length >= 0,
               "a training sequence needs a prompt of at least one token within its ids");
  const auto covers = [&](const auto& values) {
    return values.empty() || static_cast<int64_t>(values.size()) == length;
  };
  COHORT_CHECK(covers(sequence.loss_mask) && covers(sequence.rollout_logprobs) &&
                   covers(sequence.old_logprobs) && covers(sequence.ref_logprobs),
               "a training sequence's values do not have one entry a completion token");
}

// Completion tokens that are read: the last one predicts nothing.
int64_t InputTokens(const TrainingSequence& sequence) {
  return std::max<int64_t>(0, sequence.completion_length() - 1);
}

bool HavePromptInCommon(const TrainingSequence& a, const TrainingSequence& b) {
  return a.prompt_length == b.prompt_length &&
         std::equal(a.ids.begin(), a.ids.begin() + a.prompt_length, b.ids.begin());
}

// Whether one packed prompt serves both.
bool SharePrompt(const TrainingSequence& a, const TrainingSequence& b, int64_t long_beyond) {
  const auto is_long = [&](const TrainingSequence& sequence) {
    return long_beyond > 0 && sequence.prompt_length + InputTokens(sequence) > long_beyond;
  };
  return HavePromptInCommon(a, b) && is_long(a) == is_long(b);
}

using Bins = std::vector<std::vector<int64_t>>;

// Puts each sequence, longest first, into the emptiest of `count` bins; nothing if one overflows.
std::optional<Bins> Fill(std::span<const int64_t> lengths, std::span<const int64_t> longest_first,
                         int64_t max_tokens, size_t count) {
  Bins bins(count);
  std::vector<int64_t> load(count, 0);
  for (const int64_t index : longest_first) {
    const size_t bin =
        static_cast<size_t>(std::min_element(load.begin(), load.end()) - load.begin());
    load[bin] += lengths[static_cast<size_t>(index)];
    if (load[bin] > max_tokens) return std::nullopt;
    bins[bin].push_back(index);
  }
  return bins;
}

using Values = std::vector<float> TrainingSequence::*;

// Values of one field of the chosen sequences, for all N; undefined when none has them.
at::Tensor GatherTokens(std::span<const TrainingSequence> sequences,
                        const std::vector<int64_t>& chosen, Values field) {
  std::vector<float> values_N;
  bool any = false, all = true;
  for (const int64_t index : chosen) {
    const TrainingSequence& sequence = sequences[static_cast<size_t>(index)];
    const std::vector<float>& values = sequence.*field;
    if (sequence.completion_length() == 0) continue;
    any = any || !values.empty();
    all = all && !values.empty();
    for (size_t i = 0; i < values.size(); ++i) {
      if (Counts(sequence, static_cast<int64_t>(i))) values_N.push_back(values[i]);
    }
  }
  if (!any) return {};
  COHORT_CHECK(all, "some sequences of a micro-batch have logprobs that others lack");
  return at::tensor(values_N, at::kFloat);
}

void AppendRows(int64_t first, int64_t count, std::vector<int64_t>* rows) {
  for (int64_t i = 0; i < count; ++i) rows->push_back(first + i);
}

at::Tensor ToDevice(const at::Tensor& tensor, at::Device device) {
  return tensor.defined() ? tensor.to(device) : tensor;
}

}  // namespace

bool CountsInLoss(const TrainingSequence& sequence, int64_t i) {
  return i >= sequence.prompt_length && Counts(sequence, i - sequence.prompt_length);
}

void MarkCommonPrompts(std::span<TrainingSequence> sequences) {
  for (size_t i = 1; i < sequences.size(); ++i) {
    sequences[i].prompt_counted = HavePromptInCommon(sequences[i - 1], sequences[i]);
  }
}

StepTotals CountTotals(std::span<const TrainingSequence> sequences) {
  StepTotals totals;
  totals.num_samples = static_cast<int64_t>(sequences.size());
  for (const TrainingSequence& sequence : sequences) {
    for (int64_t i = 0; i < sequence.completion_length(); ++i) {
      totals.num_tokens += Counts(sequence, i) ? 1 : 0;
    }
  }
  return totals;
}

std::vector<std::vector<int64_t>> PlanMicroBatches(std::span<const int64_t> lengths,
                                                   int64_t max_tokens) {
  COHORT_CHECK(max_tokens >= 1, "a micro-batch holds at least one token");
  if (lengths.empty()) return {};
  std::vector<int64_t> longest_first(lengths.size());
  std::iota(longest_first.begin(), longest_first.end(), int64_t{0});
  std::stable_sort(longest_first.begin(), longest_first.end(), [&](int64_t a, int64_t b) {
    return lengths[static_cast<size_t>(a)] > lengths[static_cast<size_t>(b)];
  });
  size_t too_long = 0;
  int64_t total = 0;  // tokens of the others
  for (const int64_t length : lengths) {
    too_long += length > max_tokens ? 1 : 0;
    total += length > max_tokens ? 0 : length;
  }
  const std::span<const int64_t> others = std::span(longest_first).subspan(too_long);
  size_t count = static_cast<size_t>(std::max<int64_t>(1, (total + max_tokens - 1) / max_tokens));
  std::optional<Bins> filled;
  while (!(filled = Fill(lengths, others, max_tokens, count)).has_value()) {
    ++count;  // ends at the latest where each sequence has a bin of its own
  }
  std::vector<std::vector<int64_t>> plan = std::move(*filled);
  for (size_t i = 0; i < too_long; ++i) plan.push_back({longest_first[i]});
  for (std::vector<int64_t>& batch : plan) std::sort(batch.begin(), batch.end());
  std::erase_if(plan, [](const std::vector<int64_t>& batch) { return batch.empty(); });
  std::sort(plan.begin(), plan.end());
  return plan;
}

std::vector<std::vector<int64_t>> PlanMicroBatches(std::span<const TrainingSequence> sequences,
                                                   int64_t max_tokens, int64_t long_beyond) {
  std::vector<std::vector<int64_t>> families;
  std::vector<int64_t> tokens;  // of each family
  for (size_t i = 0; i < sequences.size(); ++i) {
    CheckSequence(sequences[i]);
    const int64_t inputs = InputTokens(sequences[i]);
    const bool joins = i > 0 && SharePrompt(sequences[i - 1], sequences[i], long_beyond) &&
                       tokens.back() + inputs <= max_tokens;
    if (!joins) {
      families.emplace_back();
      tokens.push_back(sequences[i].prompt_length);
    }
    families.back().push_back(static_cast<int64_t>(i));
    tokens.back() += inputs;
  }
  std::vector<std::vector<int64_t>> plan;
  for (const auto& chosen : PlanMicroBatches(std::span<const int64_t>(tokens), max_tokens)) {
    plan.emplace_back();
    for (const int64_t index : chosen) {
      const std::vector<int64_t>& family = families[static_cast<size_t>(index)];
      plan.back().insert(plan.back().end(), family.begin(), family.end());
    }
  }
  return plan;
}

MicroBatch PackMicroBatch(std::span<const TrainingSequence> sequences,
                          const std::vector<int64_t>& chosen, at::Device device,
                          int64_t long_beyond) {
  std::vector<policy::Piece> pieces;
  std::vector<int64_t> rows_N, targets_N, sequence_index_N, load_rows_L;
  bool all_rows = true;
  std::vector<double> advantages_B;
  const TrainingSequence* before = nullptr;
  int64_t prompt = 0, prompt_end = 0, offset = 0;  // the prompt's piece, the row after it, rows
  MicroBatch batch;
  for (const int64_t index : chosen) {
    const TrainingSequence& sequence = sequences[static_cast<size_t>(index)];
    CheckSequence(sequence);
    const std::span<const int32_t> ids(sequence.ids);
    if (before == nullptr || !SharePrompt(*before, sequence, long_beyond)) {
      prompt = static_cast<int64_t>(pieces.size());
      pieces.push_back({ids.first(static_cast<size_t>(sequence.prompt_length))});
      if (!sequence.prompt_counted) AppendRows(offset, sequence.prompt_length, &load_rows_L);
      all_rows = all_rows && !sequence.prompt_counted;
      prompt_end = offset += sequence.prompt_length;
    }
    before = &sequence;
    const RowSpan rows{prompt_end - sequence.prompt_length, offset, sequence.prompt_length};
    batch.row_spans_B.push_back(rows);
    for (int64_t i = 0; i < sequence.completion_length(); ++i) {
      if (!Counts(sequence, i)) continue;
      rows_N.push_back(rows.RowOf(sequence.prompt_length + i - 1));
      targets_N.push_back(sequence.ids[static_cast<size_t>(sequence.prompt_length + i)]);
      sequence_index_N.push_back(static_cast<int64_t>(advantages_B.size()));
    }
    pieces.push_back({ids.subspan(static_cast<size_t>(sequence.prompt_length),
                                  static_cast<size_t>(InputTokens(sequence))),
                      prompt});
    AppendRows(offset, InputTokens(sequence), &load_rows_L);
    offset += InputTokens(sequence);
    advantages_B.push_back(sequence.advantage);
  }
  batch.tokens = policy::Pack(pieces, device);
  batch.rows_N = at::tensor(rows_N, at::kLong).to(device);
  batch.targets_N = at::tensor(targets_N, at::kLong).to(device);
  batch.sequence_index_N = at::tensor(sequence_index_N, at::kLong).to(device);
  batch.advantages_B = at::tensor(advantages_B, at::kDouble).to(device, at::kFloat);
  batch.rollout_logprobs_N =
      ToDevice(GatherTokens(sequences, chosen, &TrainingSequence::rollout_logprobs), device);
  batch.old_logprobs_N =
      ToDevice(GatherTokens(sequences, chosen, &TrainingSequence::old_logprobs), device);
  batch.ref_logprobs_N =
      ToDevice(GatherTokens(sequences, chosen, &TrainingSequence::ref_logprobs), device);
  if (!all_rows) batch.load_rows_L = at::tensor(load_rows_L, at::kLong).to(device);
  batch.sequences_B = chosen;
  return batch;
}

std::vector<std::vector<float>> UnpackTokens(std::span<const TrainingSequence> sequences,
                                             const MicroBatch& batch, const at::Tensor& values_N) {
  const at::Tensor host_N = values_N.detach().to(at::kCPU, at::kFloat).contiguous();
  COHORT_CHECK(host_N.numel() == batch.rows_N.numel(), "values to unpack are not one a token");
  const float* next = host_N.const_data_ptr<float>();
  std::vector<std::vector<float>> unpacked;
  for (const int64_t index : batch.sequences_B) {
    const TrainingSequence& sequence = sequences[static_cast<size_t>(index)];
    std::vector<float> values(static_cast<size_t>(sequence.completion_length()), 0.0f);
    for (size_t i = 0; i < values.size(); ++i) {
      if (Counts(sequence, static_cast<int64_t>(i))) values[i] = *next++;
    }
    unpacked.push_back(std::move(values));
  }
  return unpacked;
}

}  // namespace cohort::rl
