#pragma once

// The policy under training: forward, loss, backward, AdamW. Knows nothing of workers, rewards,
// recipes or files.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/lora/peft.h"
#include "policy/weights/weights.h"
#include "rl/learner/adamw.h"
#include "rl/learner/batch.h"
#include "rl/learner/learner_options.h"
#include "rl/learner/ranks.h"
#include "rl/learner/step_memory.h"
#include "rl/learner/update_report.h"
#include "rl/objectives/policy_objective.h"

namespace cohort::policy {
struct DropoutDraws;    // policy/transformer/ops/dropout.h
class LoraSnapshot;     // policy/lora/snapshot.h
class TransformerImpl;  // policy/transformer/transformer.h
class WeightSource;     // policy/weights/weight_source.h; all take seconds to read
}  // namespace cohort::policy

namespace cohort::rl {

// Owned by one thread. With several ranks every rank has a learner of the same weights, and all
// make the same calls, each with its own part of the step's sequences: they stay bit for bit equal.
class Learner {
 public:
  // Takes the weights (fp32, on the CPU) over; nobody else may use them.
  Learner(const policy::ModelConfig& config, policy::WeightMap weights,
          const LearnerOptions& options,
          std::shared_ptr<Ranks> ranks = std::make_shared<OneRank>());

  // From now on fresh adapters are trained and all else stays as it is, selection biases included.
  void TrainAdapters(const policy::LoraConfig& lora, uint64_t seed);
  // The same with these adapters in place of fresh ones; all have the config's rank.
  void TrainAdapters(const policy::LoraAdapter& adapter, uint64_t seed);
  // From now on what the adapters leave as it is takes fewer bits: policy/lora/frozen_base.h.
  void KeepBase(policy::BaseFormat format, policy::WeightSource* published = nullptr);
  // True where the adapters' inputs are left out by chance in updates; in logprobs they never are.
  bool drops_inputs() const { return draws_ != nullptr; }

  // One optimizer step on the policy loss. `old_logprobs` of the sequences are used when there are
  // any, else the policy's own. Memory is bounded by max_tokens_per_microbatch.
  UpdateReport PolicyUpdate(const PolicyObjective& objective,
                            const std::vector<TrainingSequence>& sequences, double learning_rate);
  // One optimizer step on the cross-entropy of the completions.
  UpdateReport SftUpdate(const std::vector<TrainingSequence>& sequences, double learning_rate);

  // Fills old_logprobs (the policy as it is now) of the sequences that PolicyUpdate will train on.
  void RecordOldLogprobs(const PolicyObjective& objective, std::span<TrainingSequence> sequences);
  void RecordRefLogprobs(std::span<TrainingSequence> sequences);  // the reference's

  // The reference becomes the policy as it is now: a copy, of adapters alone where they train.
  void ResetReference();
  void DropReference();
  void ResetOptimizer();
  // For the steps to come. A router that is frozen has no gradient and is not decayed.
  void SetRouting(const RoutingOptions& routing);
  std::string NonFiniteWeight() const;      // the first one's name; "" where all are finite
  StepMemory& memory() { return memory_; }  // what was done so that the steps fit

  // Views of the live weights in compute_dtype; with an adapter new copies: ask for what is used.
  policy::WeightMap Weights() const;
  policy::WeightMap DecoderWeights() const;  // without multi-token-prediction layers: workers'
  policy::WeightMap DecoderBase() const;     // the same without the adapters, views
  // Views of the live adapters; nothing without.
  std::optional<policy::LoraAdapter> Adapter() const;

  // For checkpoints: "policy/NAME", "reference/NAME", "adamw/NAME", "dropout/updates"; of the
  // policy only the adapters where they alone are trained. Load expects what Save gave.
  std::map<std::string, at::Tensor> SaveState() const;
  void LoadState(const std::map<std::string, at::Tensor>& state);

 private:
  struct Forwarded {
    const MicroBatch& batch;
    at::Tensor hidden_TD, logprobs_N;
  };
  // The loss of a micro-batch; adds its figures to the sums.
  using MicroBatchLoss = std::function<at::Tensor(const Forwarded&, UpdateSums* sums)>;

  UpdateReport Update(const std::vector<TrainingSequence>& sequences, double temperature,
                      double learning_rate, const MicroBatchLoss& loss);
  UpdateSums ForwardBackward(const std::vector<TrainingSequence>& sequences, double temperature,
                             const MicroBatchLoss& loss);
  void CountLoad(const std::vector<TrainingSequence>& sequences);
  // Whose load the policy's next forward counts, and where its tokens went when they were sampled.
  void PrepareRouting(std::span<const TrainingSequence> sequences, const MicroBatch& batch);
  void ApplyGradients(double learning_rate, UpdateReport* report);
  StepTotals SumTotals(const std::vector<TrainingSequence>& sequences);
  std::vector<std::vector<float>> Logprobs(policy::TransformerImpl& model,
                                           std::span<const TrainingSequence> sequences,
                                           bool replayed);  // routing, where they have it
  // In learner_state.cc.
  void PlaceOnDevice(policy::TransformerImpl& model) const;
  void UseAdapters(const policy::LoraConfig& lora, uint64_t seed);
  void MakeOptimizer();
  void SetReference(const policy::WeightMap& weights);

  LearnerOptions options_;
  std::shared_ptr<Ranks> ranks_;
  std::shared_ptr<policy::TransformerImpl> policy_;
  StepMemory memory_;
  std::shared_ptr<policy::TransformerImpl> reference_;          // null without one, as the next,
  std::shared_ptr<const policy::LoraSnapshot> lora_reference_;  // in its place with adapters
  std::optional<policy::LoraConfig> lora_;
  uint64_t dropout_seed_ = 0;
  int64_t dropout_updates_ = 0;                  // draws so far, one an update
  std::shared_ptr<policy::DropoutDraws> draws_;  // null without dropout
  std::unique_ptr<AdamW> optimizer_;
};

}  // namespace cohort::rl
