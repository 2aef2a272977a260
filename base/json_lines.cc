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

constexpr int kMaxDepth = 200;
constexpr size_t kMaxLineBytes = size_t{64} << 20;

template <typename AnyJson>
using OnRow = std::function<void(const AnyJson& row, int line)>;

std::string Fault(const std::string& text) {
  if (text.size() > kMaxLineBytes) {
    return "a line of " + std::to_string(text.size()) + " bytes; the limit is 64 MiB";
  }
  if (JsonDepth(text) > kMaxDepth) {
    return "values are nested deeper than " + std::to_string(kMaxDepth);
  }
  return "";
}

template <typename AnyJson>
AnyJson Parsed(const std::string& text) {
  if constexpr (std::is_same_v<AnyJson, Json>) return ParseExactJson(text);
  return ParseExactOrderedJson(text);
}

template <typename AnyJson>
void ReadLine(const std::string& text, int line, const OnRow<AnyJson>& row) {
  if (const std::string fault = Fault(text); !fault.empty()) throw Error(ErrorCode::kUsage, fault);
  const AnyJson value = Parsed<AnyJson>(text);
  if (!value.is_object()) {
    throw Error(ErrorCode::kUsage, "expected one JSON object a line, found '" + text.substr(0, 40) +
                                       (text.size() > 40 ? "...'" : "'"));
  }
  try {
    row(value, line);
  } catch (const nlohmann::detail::exception& error) {
    throw Error(ErrorCode::kUsage, error.what());
  }
}

template <typename AnyJson>
void ForEachLine(const std::filesystem::path& path, const OnRow<AnyJson>& row,
                 const std::function<void(const Error&)>& fault) {
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
    try {
      ReadLine(text, line, row);
    } catch (const Error& error) {
      const Error placed(error.code(),
                         path.string() + ":" + std::to_string(line) + ": " + error.what(),
                         error.hint());
      if (!fault || error.code() != ErrorCode::kUsage) throw placed;
      fault(placed);
    }
  }
}

}  // namespace

void ForEachJsonLine(const std::filesystem::path& path,
                     const std::function<void(const Json& row, int line)>& row) {
  ForEachLine<Json>(path, row, {});
}

void ForEachOrderedJsonLine(const std::filesystem::path& path,
                            const std::function<void(const OrderedJson& row, int line)>& row,
                            const std::function<void(const Error& error)>& fault) {
  ForEachLine<OrderedJson>(path, row, fault);
}

std::string DumpJson(const Json& value) { return DumpExactJson(value); }

}  // namespace cohort::base
