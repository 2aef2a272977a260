#pragma once

#include <filesystem>

#include "rl/journal/journal_entry.h"

namespace cohort::rl {

// Reads what WriteEntry wrote. Of a problem the question, the answer and the prompt's ids are
// there, of a report of an update what JournalUpdate says. Errors: those of ForEachCompressedLine;
// kEnvironment "FILE:LINE: ..." for what no run writes.
JournalEntry ReadEntry(const std::filesystem::path& path);

}  // namespace cohort::rl
