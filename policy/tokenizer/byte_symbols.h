#pragma once

// GPT-2's way to write any bytes as visible characters (github.com/openai/gpt-2, encoder.py,
// bytes_to_unicode): printable bytes of Latin-1 stand for themselves, the 68 others become
// U+0100, U+0101, ... in byte order. Vocabularies and merges of tokenizer.json are written so.

#include <optional>
#include <string>
#include <string_view>

namespace cohort::policy {

std::string SymbolsOfBytes(std::string_view bytes);

// nullopt when a character is no byte symbol (the content of some added tokens).
std::optional<std::string> BytesOfSymbols(std::string_view symbols);

}  // namespace cohort::policy
