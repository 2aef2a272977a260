#pragma once

// The policy under training: forward, loss, backward, AdamW. Knows nothing of workers, rewards or
// files.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/lora/peft.h"
#include "policy/transformer/transformer.h"
#include "rl/learner/batch.h"
#include "rl/learner/optimizer.h"
#include "rl/objectives/policy_objective.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// What one optimizer step did.
struct UpdateReport {
  double loss = 0;
  double entropy = 0;  // nats a token, of the policy before the update, over the trained samples
  double grad_norm = 0;
  std::string skipped;         // empty, or why the weights are as they were
  int64_t trained_tokens = 0;  // prompt and completion tokens that went through the policy
  double busiest_expert = 0;   // most loaded expert of any layer over the fair share; 0 when dense
  PolicyLossMetrics policy;    // empty for SFT
  double forward_backward_s = 0;
  double update_s = 0;
  std::optional<double> mtp_loss;  // SFT of a policy with multi-token-prediction layers, eq. 25
};

// Owned by one thread.
class Learner {
 public:
  // Takes the weights over; nobody else may use them. `mtp_loss_weight`: of the policy's
  // multi-token-prediction layers, if it has any, in SftUpdate (rl/learner/mtp_loss.h).
  Learner(const policy::ModelConfig& config, policy::WeightMap weights,
          const proto::Optimizer& options, double sampling_temperature, double mtp_loss_weight = 0);

  // From now on fresh adapters are trained and all else stays as it is, selection biases included.
  void TrainAdapters(const policy::LoraConfig& lora, uint64_t seed);

  // One optimizer step on the policy loss (rl/objectives). `old_logprobs` of the sequences are used
  // when there are any, else the policy's own. Memory is bounded by max_tokens_per_microbatch.
  UpdateReport PolicyUpdate(const PolicyObjective& objective,
                            const std::vector<TrainingSequence>& sequences, double learning_rate);
  // One optimizer step on the cross-entropy of the completions.
  UpdateReport SftUpdate(const std::vector<TrainingSequence>& sequences, double learning_rate);

  // Fills old_logprobs (the policy as it is now) of the sequences that PolicyUpdate will train on.
  void RecordOldLogprobs(const PolicyObjective& objective, std::span<TrainingSequence> sequences);
  // Fills ref_logprobs (the reference).
  void RecordRefLogprobs(std::span<TrainingSequence> sequences);

  // The reference policy becomes a copy of the policy as it is now.
  void ResetReference();
  void DropReference();
  void ResetOptimizer();

  // Views of the live weights; those with an adapter as copies with it added.
  policy::WeightMap Weights() const { return policy::MergedWeights(policy_); }
  // The same without multi-token-prediction layers: what workers decode with.
  policy::WeightMap DecoderWeights() const {
    return policy::WithoutMtpLayers(policy_->config(), Weights());
  }
  // Views of the live adapters; nothing without.
  std::optional<policy::LoraAdapter> Adapter() const;

  // For checkpoints: "policy/NAME", "reference/NAME", "adamw/NAME"; of the policy only the adapters
  // where they alone are trained. Load expects what Save gave.
  std::map<std::string, at::Tensor> SaveState() const;
  void LoadState(const std::map<std::string, at::Tensor>& state);

 private:
  struct Forwarded {
    const MicroBatch& batch;
    at::Tensor hidden_TD;
    at::Tensor logprobs_N;
  };
  using MicroBatchLoss = std::function<at::Tensor(const Forwarded&, UpdateReport* report)>;
  UpdateReport Update(const std::vector<TrainingSequence>& sequences, double temperature,
                      double learning_rate, const MicroBatchLoss& loss);
  std::vector<std::vector<float>> Logprobs(policy::Transformer& model,
                                           std::span<const TrainingSequence> sequences);

  proto::Optimizer options_;
  double temperature_;  // the policy loss sees the distribution that was sampled from
  double mtp_loss_weight_;
  policy::Transformer policy_;
  policy::Transformer reference_{nullptr};
  std::optional<policy::LoraConfig> lora_;
  std::unique_ptr<AdamW> optimizer_;
};

}  // namespace cohort::rl
