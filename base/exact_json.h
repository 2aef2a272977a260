#pragma once

// JSON whose integers beyond 64 bits keep their digits. nlohmann::json has no such number and makes
// a double of one; here it is a `binary` value of the digits, so that whoever does not know of it
// refuses it rather than rounds it.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cohort::base {

// A discarded value where the text is no JSON, as nlohmann's parse without exceptions. Errors:
// kUsage, with the column (from 1, in bytes), for a number that neither an integer of 300 digits
// nor a double holds.
nlohmann::json ParseExactJson(std::string_view text);
nlohmann::ordered_json ParseExactOrderedJson(std::string_view text);

// The digits of an integer beyond 64 bits, with its sign; nothing for every other value.
std::optional<std::string> BigIntegerDigits(const nlohmann::json& value);
std::optional<std::string> BigIntegerDigits(const nlohmann::ordered_json& value);

// Never throws: invalid UTF-8 becomes U+FFFD.
std::string DumpExactJson(const nlohmann::json& value);
std::string DumpExactJson(const nlohmann::ordered_json& value);

// The same as a line on stdout, as PrintableJson of base/printable_text.h: JSON lines often end on
// a terminal.
void PrintJsonLine(const nlohmann::json& value);
void PrintJsonLine(const nlohmann::ordered_json& value);

}  // namespace cohort::base
