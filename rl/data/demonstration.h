#pragma once

// The tokens that supervised fine-tuning learns from one row.

#include <cstdint>
#include <vector>

#include "policy/model.h"
#include "rl/data/problem.h"

namespace cohort::rl {

struct Demonstration {
  std::vector<int32_t> prompt_ids;
  std::vector<int32_t> completion_ids;
  std::vector<uint8_t> loss_mask = {};  // over completion_ids; empty: every token is learnt
};

// A problem with a completion. Of a chat every assistant turn is learnt, up to and with its
// end-of-turn token, and nothing else:
// - A template with {% generation %} blocks says itself what the assistant wrote.
// - Else a turn is what the template adds to the text that asks for it (the turns before it,
//   rendered with a generation prompt), up to its last stop token.
// - Where the chat up to a turn, so rendered, is not how the whole chat begins (templates that drop
//   the reasoning of earlier turns), one sequence cannot teach all turns as they will be asked for:
//   each assistant turn then becomes a sequence of its own, after exactly its own prompt.
// - Where a turn does not begin with its generation prompt either (templates that prompt with
//   <think>), its content and the model's first stop token follow the prompt.
// A last turn without any stop token gets the model's first one.
// kUsage when the model has no chat template for a chat, or when its blocks mark nothing.
std::vector<Demonstration> EncodeDemonstration(const policy::Model& model, const Problem& problem);

}  // namespace cohort::rl
