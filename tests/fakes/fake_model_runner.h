#pragma once

// A ModelRunner without a model. Its KV cache holds the token ids themselves, so that a row's
// context is read back through the block tables: a block that was shared, copied or dropped wrongly
// changes the logits, or ends the step where a row sees an entry that was not written for that
// token of its sequence. What the logits are is a script: a function of the tokens that the widest
// group of layers sees. Its recurrent states are the tokens that they have seen, and a sequence
// whose state has seen others than its context is an error.

#include <algorithm>
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
    std::vector<int64_t> tokens;        // of each sequence
    std::vector<int64_t> num_logits;    // of each sequence
    std::vector<bool> beyond_boundary;  // of each sequence
  };

  FakeModelRunner(const RunnerShape& shape, Script script)
      : shape_(shape),
        script_(std::move(script)),
        cache_(static_cast<size_t>(shape.num_blocks * shape.block_tokens)),
        states_(static_cast<size_t>(shape.num_states)) {}

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
    SeenStep seen{{step.copies.begin(), step.copies.end()}, {}, {}, {}};
    for (const BlockCopy& copy : step.copies) {
      for (int64_t slot = 0; slot < shape_.block_tokens; ++slot) {
        At(copy.to, slot) = At(copy.from, slot);
      }
    }
    for (const SequenceRows& rows : step.sequences) {
      seen.tokens.push_back(static_cast<int64_t>(rows.tokens.size()));
      seen.num_logits.push_back(rows.num_logits);
      seen.beyond_boundary.push_back(rows.beyond_boundary);
      const int64_t end = rows.start + std::ssize(rows.tokens), boundary = shape_.rope_boundary;
      Require(boundary > 0 ? end <= boundary || rows.beyond_boundary : !rows.beyond_boundary,
              "rows are on the wrong side of the rope's boundary");
      Require(rows.tables.size() == shape_.windows.size(), "a group of layers has a block table");
      for (size_t group = 0; group < rows.tables.size(); ++group) {
        Write(rows, rows.tables[group], shape_.windows[group]);
      }
    }
    GoOn(step);
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
  // What a token leaves in the cache.
  struct Entry {
    int32_t token = -1;
    int64_t position = -1;
    uint64_t beginning = 0;  // a mark of the sequence's tokens up to this one
    bool beyond_boundary = false;
  };

  static void Require(bool condition, const char* complaint) {
    if (!condition) throw std::logic_error(complaint);
  }

  Entry& At(int32_t block, int64_t slot) {
    Require(block != kNoBlock, "a row sees a token whose block was dropped");
    return cache_.at(static_cast<size_t>(block * shape_.block_tokens + slot));
  }
  Entry& At(const BlockTable& table, int64_t position) {
    return At(table.at(static_cast<size_t>(position / shape_.block_tokens)),
              position % shape_.block_tokens);
  }

  static uint64_t Extended(uint64_t beginning, int32_t token) {
    return beginning * 1'000'003 + static_cast<uint64_t>(token) + 7;
  }

  void Write(const SequenceRows& rows, const BlockTable& table, int64_t window) {
    int64_t position = rows.start;
    for (const int32_t token : rows.tokens) {
      const bool first = position == 0 || window == 1;  // no row sees both it and one before it
      const uint64_t before = first ? 0 : At(table, position - 1).beginning;
      At(table, position) = {token, position, Extended(before, token), rows.beyond_boundary};
      ++position;
    }
  }

  // The tokens that a row at `position` sees in a group of layers.
  std::vector<int32_t> Seen(const SequenceRows& rows, size_t group, int64_t position) {
    const BlockTable& table = rows.tables[group];
    const int64_t window = shape_.windows[group];
    const int64_t first = window == 0 ? 0 : std::max<int64_t>(0, position + 1 - window);
    std::vector<int32_t> tokens;
    for (int64_t i = first; i <= position; ++i) {
      const Entry& entry = At(table, i);
      Require(entry.position == i, "an entry holds another position's token, or none");
      Require(i == first || entry.beginning == Extended(At(table, i - 1).beginning, entry.token),
              "an entry belongs to another sequence");
      Require(entry.beyond_boundary == rows.beyond_boundary,
              "an entry is of the other side of the rope's boundary");
      tokens.push_back(entry.token);
    }
    return tokens;
  }

  void GoOn(const ModelStep& step) {
    if (states_.empty()) return;
    for (const BlockCopy& copy : step.state_copies) {
      states_.at(static_cast<size_t>(copy.to)) = states_.at(static_cast<size_t>(copy.from));
    }
    for (const SequenceRows& rows : step.sequences) {
      std::vector<int32_t>& state = states_.at(static_cast<size_t>(rows.state));
      if (rows.start == 0) state.clear();
      state.insert(state.end(), rows.tokens.begin(), rows.tokens.end());
      const auto last = rows.start + static_cast<int64_t>(rows.tokens.size()) - 1;
      Require(state == Seen(rows, 0, last),
              "a recurrent state has seen other tokens than its sequence has");
    }
  }

  void TellLogits(const SequenceRows& rows, size_t sequence, const LogitsSink& sink) {
    const auto count = static_cast<int64_t>(rows.tokens.size());
    for (int64_t token = 0; token < count; ++token) {
      std::vector<int32_t> context;
      for (size_t group = 0; group < rows.tables.size(); ++group) {
        std::vector<int32_t> seen = Seen(rows, group, rows.start + token);
        if (seen.size() > context.size()) context.swap(seen);
        Require(std::equal(seen.rbegin(), seen.rend(), context.rbegin()),
                "groups of layers hold different tokens");
      }
      if (token < count - rows.num_logits) continue;
      const std::vector<float> logits = script_(context);
      sink({sequence, static_cast<size_t>(token), logits.data(), 0});
    }
  }

  RunnerShape shape_;
  Script script_;
  std::vector<Entry> cache_;                  // [blocks, block_tokens]
  std::vector<std::vector<int32_t>> states_;  // of each slot, what it has seen
  std::vector<SeenStep> steps_;
  int loads_ = 0;
  std::function<void()> on_step_, on_load_;
};

}  // namespace cohort::rollout
