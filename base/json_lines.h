#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cohort::base {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // objects keep the order of their keys

// Calls `row` for each non-empty line of a JSON-lines file ("-" reads stdin), with its 1-based line
// number. Errors: kEnvironment for a file that cannot be read; kUsage "FILE:LINE: ..." for a line
// that is not a JSON object, is nested deeper than 200 or is longer than 64 MiB; an Error thrown by
// `row` gets "FILE:LINE: " put before its message.
void ForEachJsonLine(const std::filesystem::path& path,
                     const std::function<void(const Json& row, int line)>& row);

// The same, with the keys of objects in the order of the file, which chat templates show. Where
// there is a `fault`, it is called with the kUsage Error of a line in place of its throw, and the
// lines after it are read.
void ForEachOrderedJsonLine(const std::filesystem::path& path,
                            const std::function<void(const OrderedJson& row, int line)>& row,
                            const std::function<void(const Error& error)>& fault = {});

// Dump that never throws: invalid UTF-8 becomes U+FFFD.
std::string DumpJson(const Json& value);

}  // namespace cohort::base
