#pragma once

// Finds the part of a text that is the answer; linear time whatever the text.

#include <optional>
#include <string_view>

namespace cohort::reward {

std::string_view Trim(std::string_view text);  // ASCII white space off both ends

// A completion without its reasoning: the text after the last </think>, or all of it where there
// was no reasoning. nullopt when the last <think> was never closed: such a completion was cut off
// before it answered.
std::optional<std::string_view> AfterReasoning(std::string_view completion);

// The text after the last `marker`; nullopt where it does not occur. An empty marker is "from the
// start".
std::optional<std::string_view> AfterLast(std::string_view text, std::string_view marker);

// The dataset's gold: GSM8K writes a worked solution and the answer after "####".
std::string_view GoldText(std::string_view answer);

}  // namespace cohort::reward
