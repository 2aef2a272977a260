#pragma once

// Problems from JSON-lines files.

#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "rl/data/row_source.h"

namespace cohort::rl {

// A row must have besides its prompt: one of answer and completion; a completion; an answer. A
// row with tests (`tests`, MBPP's `test_list`, HumanEval's `entry_point`) needs no answer.
enum class RowKind { kTraining, kDemonstration, kHeldOut };

struct LoadedRows {
  std::vector<Problem> problems;
  UnreadableRows unreadable;
};

// Reads every row of `path`, mapping columns as `data` says:
//   {"prompt", "answer", "completion", ...}   names mapped by prompt_field, answer_field,
//   completion_field
//   {"messages": [...], "tools": [...], ...}  a last assistant turn is the completion
// prompt_template, where there is one, says how columns become the prompt
// (rl/data/prompt_template.h). `instruction` becomes the system message when data.chat is set, else
// a line before the prompt; data.chat turns every prompt into `messages`. strip_pattern is removed
// from completions, and from every assistant turn of a kDemonstration row, since each of them is
// learnt. Errors: kUsage "FILE:LINE: ..." naming the missing column and the nearest one there is,
// for more rows than data.max_unreadable_share; a file without rows; a strip_pattern that PCRE2
// refuses. kEnvironment for a file that cannot be read.
LoadedRows LoadProblems(const proto::Data& data, const std::filesystem::path& path, RowKind kind);

class JsonLinesRows final : public RowSource {
 public:
  // Errors: as LoadProblems.
  JsonLinesRows(const proto::Data& data, const std::filesystem::path& path, RowKind kind)
      : rows_(LoadProblems(data, path, kind)) {}

  uint64_t size() const override { return rows_.problems.size(); }
  Problem Row(uint64_t index) override { return std::move(rows_.problems.at(index)); }
  UnreadableRows unreadable() const override { return rows_.unreadable; }

 private:
  LoadedRows rows_;
};

}  // namespace cohort::rl
