#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cohort::reward::judge {

// The code of a response: its last fenced block (CommonMark: ``` or ~~~, three or more), but for
// blocks whose info string names another language than one of `tags`, unless there are only such.
// A fence that is never closed runs to the end. The indentation of the fence is taken off its
// lines. Nothing when there is no fence. Takes time linear in the text.
std::optional<std::string> FencedCode(std::string_view text, const std::vector<std::string>& tags);

}  // namespace cohort::reward::judge
