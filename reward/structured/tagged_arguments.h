#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "reward/structured/tool_call.h"

namespace cohort::reward {

// Calls whose arguments stand one by one between tags, as bare text: <function=f><parameter=a>..,
// <invoke name="f"><parameter name="a">.. and f<arg_key>a</arg_key><arg_value>... An argument is a
// text where its schema says only that, else JSON where it is some. Nothing for any other text, or
// a call without its end.
std::optional<std::vector<ToolCall>> ReadFunctionTags(std::string_view text,
                                                      const ToolSchemas& tools);
std::optional<std::vector<ToolCall>> ReadInvokeTags(std::string_view text,
                                                    const ToolSchemas& tools);
std::optional<std::vector<ToolCall>> ReadKeysAndValues(std::string_view text,
                                                       const ToolSchemas& tools);

}  // namespace cohort::reward
