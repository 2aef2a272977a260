#pragma once

// Problems from JSON-lines files, and the order in which an epoch visits them.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

struct Problem {
  std::string
      prompt;  // text to complete; with `messages`, the last user turn (for display, rewards)
  std::string question;  // the prompt without what the recipe puts around it: what rewards see
  // null, or the turns to render with the chat template instead of `prompt`.
  nlohmann::ordered_json messages;
  nlohmann::ordered_json tools;  // null, or what the row's column of that name offers the template
  std::string answer;            // what rewards compare with; may be empty
  std::string completion;        // the SFT demonstration; empty when the row has none
  // null, or the assistant turn after `messages` that `completion` is the content of, with whatever
  // else it has (tool calls, reasoning).
  nlohmann::ordered_json last_turn;
  nlohmann::json columns = nlohmann::json::object();  // every other column, for the rewards
};

// What a row must have besides its prompt: one of answer and completion; a completion; an answer. A
// row with tests (`tests`, MBPP's `test_list`, HumanEval's `entry_point`) needs no answer.
enum class RowKind { kTraining, kDemonstration, kHeldOut };

// Reads every row of `path`, mapping columns as `data` says:
//   {"prompt", "answer", "completion", ...}   names mapped by prompt_field, answer_field,
//   completion_field
//   {"messages": [...], "tools": [...], ...}  a last assistant turn is the completion
// prompt_template, where there is one, says how columns become the prompt
// (rl/data/prompt_template.h). `instruction` becomes the system message when data.chat is set, else
// a line before the prompt; data.chat turns every prompt into `messages`. strip_pattern is removed
// from completions, and from every assistant turn of a kDemonstration row, since each of them is
// learnt. Errors: kUsage "FILE:LINE: ..." naming the missing column and the nearest one there is; a
// file without rows; a strip_pattern that PCRE2 refuses. kEnvironment for a file that cannot be
// read.
std::vector<Problem> LoadProblems(const proto::Data& data, const std::filesystem::path& path,
                                  RowKind kind);

// Poses the bare question in problem->prompt as data.chat and data.instruction want it: as
// messages, or as one text.
void PoseQuestion(const proto::Data& data, Problem* problem);

// Position in an endless sequence of shuffled epochs over [0, size): each epoch visits every entry
// once, in an order drawn from (seed, epoch). Portable and independent of the standard library.
class ProblemStream {
 public:
  ProblemStream(uint64_t size, uint64_t seed);  // size >= 1

  uint64_t Next() { return At(position_++); }
  uint64_t At(uint64_t position);  // without moving
  uint64_t position() const { return position_; }
  void set_position(uint64_t position) { position_ = position; }
  uint64_t epoch() const { return position_ / size_; }

 private:
  uint64_t size_;
  uint64_t seed_;
  uint64_t position_ = 0;
  uint64_t cached_epoch_;
  std::vector<uint64_t> order_;  // of cached_epoch_
};

}  // namespace cohort::rl
