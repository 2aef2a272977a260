#pragma once

// The policy of another time at the memory of its adapters alone: what a KL term compares with.

#include <map>
#include <memory>
#include <string>

#include "policy/transformer/transformer.h"

namespace cohort::policy {

// An adapted policy as it was when this was made. Where its adapters changed nothing then, their B
// being zero, it is the base, and no value is kept; else it is a copy of the adapters. The frozen
// weights are the policy's own in both.
class LoraSnapshot {
 public:
  using State = std::map<std::string, at::Tensor>;

  explicit LoraSnapshot(const TransformerImpl& policy);
  // What state() gave. kUsage where it does not fit the policy.
  LoraSnapshot(const TransformerImpl& policy, const State& state);
  // True for what state() gives, and not for a model's weights.
  static bool IsState(const State& tensors);

  bool is_base() const { return values_.empty(); }
  // For checkpoints: by parameters' names, or one tensor that says that it is the base. Views.
  State state() const;

  // While it lives, `policy` computes as it did then. Values change places and none is copied.
  class Scope {
   public:
    Scope(const LoraSnapshot& then, TransformerImpl& policy);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    void Exchange();
    void UseLora(bool use);

    TransformerImpl& policy_;
    State others_;  // the values that are not in use
  };

 private:
  State values_;
};

}  // namespace cohort::policy
