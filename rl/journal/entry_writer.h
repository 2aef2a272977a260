#pragma once

// An entry of the journal as JSON lines: a head, then a line a group or demonstration. Every number
// reads back with the bits that it had; one that is not finite is a text: "nan", "inf", "-inf".

#include "rl/journal/compressed_file.h"
#include "rl/journal/journal_entry.h"

namespace cohort::rl {

// With JOURNAL_GROUPS neither ids nor logprobs nor demonstrations are written.
void WriteEntry(const JournalEntry& entry, CompressedFile* file);
void WriteEvaluation(const JournalEvaluation& evaluation, proto::Output::Journal mode,
                     CompressedFile* file);

}  // namespace cohort::rl
