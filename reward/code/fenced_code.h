#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cohort::reward::judge {

// The code of a response: the last fenced block (CommonMark: ``` or ~~~, three or more) whose info
// string is one of `tags`. Where there is none, the last one without an info string: behind a
// tagged program such a block shows its output. Else the last of another language.
// A fence that is never closed runs to the end. The indentation of the fence is taken off its
// lines. Nothing when there is no fence. Takes time linear in the text.
std::optional<std::string> FencedCode(std::string_view text, const std::vector<std::string>& tags);

}  // namespace cohort::reward::judge
