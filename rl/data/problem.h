#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "reward/reward.pb.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// One row of the data: what is asked, what is right, what is to be learnt.
struct Problem {
  std::string
      prompt;  // text to complete; with `messages`, the last user turn (for display, rewards)
  std::string question;  // the prompt without what the recipe puts around it: what rewards see
  // null, or the turns to render with the chat template instead of `prompt`.
  nlohmann::ordered_json messages;
  nlohmann::ordered_json tools;  // null, or what the row's column of that name offers the template
  nlohmann::ordered_json chat_template_kwargs;  // null, or the template's variables by name
  std::string chat_template;                    // "", or the name of the model's template to take
  std::string answer;                           // what rewards compare with; may be empty
  std::string completion;  // the SFT demonstration; empty when the row has none
  // null, or the assistant turn after `messages` that `completion` is the content of, with whatever
  // else it has (tool calls, reasoning).
  nlohmann::ordered_json last_turn;
  nlohmann::json columns = nlohmann::json::object();  // for the rewards, under their own names
  std::string place;                                  // FILE:LINE; "" of what no file has
};

// One completion as a reward is told of it. `columns_json` is problem.columns as text, made once.
reward::Sample ToRewardSample(const Problem& problem, const std::string& columns_json,
                              const std::string& completion);

// Adds the recipe's instruction, where it has one, as the system message of problem->messages.
void AddInstruction(const proto::Data& data, Problem* problem);

// Takes the recipe's data.chat_template, and adds its data.chat_template_kwargs to the problem's,
// which win. A value is read as JSON
// where it is some (true, 3, [1, 2]), also in Python's spelling (True, None), else it is a text.
void AddTemplateInputs(const proto::Data& data, Problem* problem);

// Poses the bare question in problem->prompt as data.chat and data.instruction want it: as
// messages, or as one text.
void PoseQuestion(const proto::Data& data, Problem* problem);

}  // namespace cohort::rl
