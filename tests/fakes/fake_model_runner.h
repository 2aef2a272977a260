#pragma once

// A ModelRunner without a model. Its KV cache holds the token ids themselves, so that a row's
// context is read back through the block table: a block that was shared, copied or dropped wrongly
// changes the logits. What the logits are is a script: a function of the whole context.

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/counter_random.h"
#include "rollout/decoder/model_runner.h"

namespace cohort::rollout {

class FakeModelRunner : public ModelRunner {
 public:
  // Logits [vocab_size] after these tokens.
  using Script = std::function<std::vector<float>(const std::vector<int32_t>& context)>;

  // One step as the decoder asked for it.
  struct SeenStep {
    std::vector<BlockCopy> copies;
    std::vector<int64_t> tokens;      // of each sequence
    std::vector<int64_t> num_logits;  // of each sequence
  };

  FakeModelRunner(const RunnerShape& shape, Script script)
      : shape_(shape),
        script_(std::move(script)),
        cache_(static_cast<size_t>(shape.num_blocks * shape.block_tokens), kNothing) {}

  // Logits in 0..3 that depend on every token of the context and on nothing else.
  static Script Scattered(int64_t vocab_size) {
    return [vocab_size](const std::vector<int32_t>& context) {
      uint64_t key = context.size();
      for (const int32_t token : context) key = key * 1'000'003 + static_cast<uint64_t>(token) + 7;
      std::vector<float> logits;
      for (int64_t v = 0; v < vocab_size; ++v) {
        logits.push_back(
            static_cast<float>(3 * base::UniformDraw(key, static_cast<uint64_t>(v), 0)));
      }
      return logits;
    };
  }
  // The token that `next` names, with certainty.
  static Script Certain(int64_t vocab_size,
                        std::function<int32_t(const std::vector<int32_t>& context)> next) {
    return [vocab_size, next = std::move(next)](const std::vector<int32_t>& context) {
      std::vector<float> logits(static_cast<size_t>(vocab_size), 0.0f);
      logits[static_cast<size_t>(next(context))] = 1000.0f;
      return logits;
    };
  }

  RunnerShape shape() const override { return shape_; }

  void LoadWeights(policy::WeightSource& weights) override {
    weights.TakeAll();
    ++loads_;
    if (on_load_) on_load_();
  }

  void Step(const ModelStep& step, const LogitsSink& sink) override {
    if (on_step_) on_step_();
    SeenStep seen{{step.copies.begin(), step.copies.end()}, {}, {}};
    for (const BlockCopy& copy : step.copies) {
      for (int64_t slot = 0; slot < shape_.block_tokens; ++slot) {
        At(copy.to, slot) = At(copy.from, slot);
      }
    }
    for (const SequenceRows& rows : step.sequences) {
      seen.tokens.push_back(static_cast<int64_t>(rows.tokens.size()));
      seen.num_logits.push_back(rows.num_logits);
      for (size_t i = 0; i < rows.tokens.size(); ++i) {
        const int64_t position = rows.start + static_cast<int64_t>(i);
        At(rows.blocks[static_cast<size_t>(position / shape_.block_tokens)],
           position % shape_.block_tokens) = rows.tokens[i];
      }
    }
    steps_.push_back(std::move(seen));
    for (size_t i = 0; i < step.sequences.size(); ++i) TellLogits(step.sequences[i], i, sink);
  }

  int loads() const { return loads_; }
  const std::vector<SeenStep>& steps() const { return steps_; }
  void SetScript(Script script) { script_ = std::move(script); }
  // Called at the start of every step, on the decoder's thread.
  void OnStep(std::function<void()> on_step) { on_step_ = std::move(on_step); }
  void OnLoad(std::function<void()> on_load) { on_load_ = std::move(on_load); }

 private:
  static constexpr int32_t kNothing = -1;

  int32_t& At(int32_t block, int64_t slot) {
    return cache_.at(static_cast<size_t>(block * shape_.block_tokens + slot));
  }

  void TellLogits(const SequenceRows& rows, size_t sequence, const LogitsSink& sink) {
    const auto count = static_cast<int64_t>(rows.tokens.size());
    for (int64_t token = count - rows.num_logits; token < count; ++token) {
      std::vector<int32_t> context;
      for (int64_t position = 0; position <= rows.start + token; ++position) {
        context.push_back(At(rows.blocks[static_cast<size_t>(position / shape_.block_tokens)],
                             position % shape_.block_tokens));
        if (context.back() == kNothing) throw std::logic_error("a token was never computed");
      }
      const std::vector<float> logits = script_(context);
      sink({sequence, static_cast<size_t>(token), logits.data(), 0});
    }
  }

  RunnerShape shape_;
  Script script_;
  std::vector<int32_t> cache_;  // [blocks, block_tokens]
  std::vector<SeenStep> steps_;
  int loads_ = 0;
  std::function<void()> on_step_, on_load_;
};

}  // namespace cohort::rollout
