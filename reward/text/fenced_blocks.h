#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cohort::reward {

// A fenced block of a response (CommonMark: ``` or ~~~, three or more). A fence that is never
// closed runs to the end. The indentation of the fence is taken off the lines.
struct FencedBlock {
  std::string info;  // first word of the info string, lower case; "" where there is none
  std::string text;
};

// All blocks, in order. Takes time linear in the text.
std::vector<FencedBlock> FencedBlocks(std::string_view text);

// The code of a response: its last block whose info string is one of `tags`. Where there is none,
// the last one without an info string: behind a tagged program such a block shows its output. Else
// the last of another language. Nothing when there is no fence.
std::optional<std::string> FencedCode(std::string_view text, const std::vector<std::string>& tags);

}  // namespace cohort::reward
