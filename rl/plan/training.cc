#include "rl/plan/training.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "policy/weights/model_size.h"

namespace cohort::rl {
namespace {

void CheckDivides(const std::string& option, int64_t divisor, const std::string& what,
                  int64_t number) {
  if (number % divisor == 0) return;
  throw Error(ErrorCode::kUsage, option + " is " + std::to_string(divisor) +
                                     ", which does not divide the " + std::to_string(number) + " " +
                                     what);
}

// Of a query with one key and its value, in one layer.
double FlopsPerPair(const policy::AttentionConfig& attention) {
  return static_cast<double>(2 * attention.num_heads *
                             (attention.query_dim() + attention.value_dim()));
}

// Keys that tokens at [first, first + tokens) attend to, themselves included; 0: no window.
double AttendedKeys(const TokenRange& range, int64_t window) {
  const auto up_to = [window](int64_t tokens) {  // of the first ones of a sequence
    const int64_t grown = window > 0 ? std::min(tokens, window) : tokens;
    const auto whole = static_cast<double>(grown);
    return whole * (whole + 1) / 2 + static_cast<double>(tokens - grown) * whole;
  };
  return static_cast<double>(range.count) *
         (up_to(range.first + range.tokens) - up_to(range.first));
}

}  // namespace

void CheckLayout(const policy::ModelConfig& config, const TrainingLayout& layout) {
  CheckDivides("--tensor-parallel", layout.tensor, "attention heads", config.attention.num_heads);
  if (layout.expert == 1) return;
  if (config.moe.num_experts == 0) {
    throw Error(ErrorCode::kUsage, "--expert-parallel is " + std::to_string(layout.expert) +
                                       ", but the model has no experts");
  }
  CheckDivides("--expert-parallel", layout.expert, "experts", config.moe.num_experts);
  CheckDivides("--expert-parallel", layout.expert,
               "data-parallel ranks that the experts are spread over", layout.data);
}

RankMemory MemoryPerRank(const policy::ModelConfig& config, const TrainingLayout& layout) {
  const policy::ModelSize size = policy::MeasureModel(config);
  const auto tensor = static_cast<double>(layout.tensor);
  const double dense = static_cast<double>(size.dense()) / tensor;
  const double experts =
      static_cast<double>(size.routed_experts) / (tensor * static_cast<double>(layout.expert));
  const auto replicas = static_cast<double>(layout.data);
  const double expert_replicas = replicas / static_cast<double>(layout.expert);
  RankMemory memory;
  memory.weights = 2 * (dense + experts);
  memory.gradients = 4 * (dense + experts);
  memory.optimizer = 12 * (dense / replicas + experts / expert_replicas);
  memory.activations =
      2.0 * static_cast<double>(config.num_layers * config.width * layout.microbatch_tokens);
  return memory;
}

double TrainingFlopsPerToken(const policy::ModelConfig& config, int64_t context) {
  const policy::ModelSize size = policy::MeasureModel(config);
  const policy::AttentionConfig& attention = config.attention;
  const auto length = static_cast<double>(context);
  double attended = 0;  // tokens that one sees on average, summed over the layers
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    if (config.linear.Has(layer)) continue;
    const auto window = static_cast<double>(attention.WindowOf(layer));
    const bool cut = window > 0 && window < length;
    attended += cut ? window - window * window / (2 * length) : length / 2;
  }
  return 6.0 * static_cast<double>(size.multiplied(config.tie_embeddings)) +
         3.0 * FlopsPerPair(attention) * attended +
         3.0 * static_cast<double>(policy::RecurrentFlopsPerToken(config));
}

double ForwardFlops(const policy::ModelConfig& config, std::span<const TokenRange> ranges,
                    int64_t head_rows) {
  const policy::ModelSize size = policy::MeasureModel(config);
  const auto head = static_cast<double>(size.embedding);
  const auto body = static_cast<double>(size.multiplied(config.tie_embeddings)) - head;
  const auto recurrent = static_cast<double>(policy::RecurrentFlopsPerToken(config));
  double tokens = 0, attended = 0;
  for (const TokenRange& range : ranges) {
    tokens += static_cast<double>(range.count * range.tokens);
    for (int64_t layer = 0; layer < config.num_layers; ++layer) {
      if (config.linear.Has(layer)) continue;
      attended += AttendedKeys(range, config.attention.WindowOf(layer));
    }
  }
  return tokens * (2 * body + recurrent) + 2 * head * static_cast<double>(head_rows) +
         FlopsPerPair(config.attention) * attended;
}

TrainingCost CostOfTraining(double flops_per_token, double tokens, const Machine& machine,
                            double utilization) {
  TrainingCost cost;
  cost.device_hours = flops_per_token * tokens / (machine.bf16_flops * utilization) / 3600;
  cost.dollars = cost.device_hours * machine.dollars_per_hour;
  return cost;
}

}  // namespace cohort::rl
