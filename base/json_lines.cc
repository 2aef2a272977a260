#include "base/json_lines.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_place.h"

namespace cohort::base {
namespace {

template <typename AnyJson>
AnyJson Parsed(const std::string& text, const std::string& where) {
  try {
    if constexpr (std::is_same_v<AnyJson, Json>) return ParseExactJson(text);
    return ParseExactOrderedJson(text);
  } catch (const Error& error) {
    throw Error(error.code(), where + error.what(), error.hint());
  }
}

template <typename AnyJson>
void ForEachLine(const std::filesystem::path& path,
                 const std::function<void(const AnyJson& row, int line)>& row) {
  std::ifstream file;
  const bool from_stdin = path == "-";
  if (!from_stdin) {
    errno = 0;
    file.open(path, std::ios::binary);
    if (!file || std::filesystem::is_directory(path)) {
      throw Error(ErrorCode::kEnvironment, "cannot read " + path.string() + ": " +
                                               std::strerror(errno != 0 ? errno : EISDIR));
    }
  }
  std::istream& in = from_stdin ? std::cin : file;
  std::string text;
  for (int line = 1; std::getline(in, text); ++line) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = path.string() + ":" + std::to_string(line) + ": ";
    constexpr int kMaxDepth = 200;
    if (JsonDepth(text) > kMaxDepth) {
      throw Error(ErrorCode::kUsage,
                  where + "values are nested deeper than " + std::to_string(kMaxDepth));
    }
    const AnyJson value = Parsed<AnyJson>(text, where);
    if (!value.is_object()) {
      throw Error(ErrorCode::kUsage, where + "expected one JSON object a line, found '" +
                                         text.substr(0, 40) + (text.size() > 40 ? "...'" : "'"));
    }
    try {
      row(value, line);
    } catch (const Error& error) {
      throw Error(error.code(), where + error.what(), error.hint());
    } catch (const nlohmann::detail::exception& error) {
      throw Error(ErrorCode::kUsage, where + error.what());
    }
  }
}

}  // namespace

void ForEachJsonLine(const std::filesystem::path& path,
                     const std::function<void(const Json& row, int line)>& row) {
  ForEachLine<Json>(path, row);
}

void ForEachOrderedJsonLine(const std::filesystem::path& path,
                            const std::function<void(const OrderedJson& row, int line)>& row) {
  ForEachLine<OrderedJson>(path, row);
}

std::string DumpJson(const Json& value) { return DumpExactJson(value); }

}  // namespace cohort::base
