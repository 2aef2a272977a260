#pragma once

// Text of models, data and services as it may reach a terminal: nothing in it moves the cursor,
// colours, answers back or reverses the order of what is read.

#include <string>
#include <string_view>

namespace cohort::base {

enum class LineBreaks { kKept, kEscaped };  // \n and \t

// Control characters (C0, DEL, C1) as \xNN, bidirectional embeddings, overrides and isolates
// (U+202A..202E, U+2066..2069) as \uNNNN, invalid UTF-8 as U+FFFD. Printable text stays as it is,
// so that a second pass changes nothing.
std::string PrintableText(std::string_view text, LineBreaks breaks = LineBreaks::kKept);

// JSON with the same values, in which the characters that JSON itself leaves as they are (DEL, C1,
// bidirectional) are \uNNNN.
std::string PrintableJson(std::string_view json);

// A line on stderr, as PrintableText.
void PrintNote(std::string_view text);

}  // namespace cohort::base
