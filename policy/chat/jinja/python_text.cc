#include "policy/chat/jinja/python_text.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace cohort::policy {
namespace {

// Unicode's case tables as the C library has them, whatever the user's locale.
locale_t UnicodeLocale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

uint32_t Map(uint32_t code_point, wint_t (*map)(wint_t, locale_t), bool to_upper) {
  if (UnicodeLocale() != nullptr) return map(code_point, UnicodeLocale());
  const bool is_other_case =
      to_upper ? code_point >= 'a' && code_point <= 'z' : code_point >= 'A' && code_point <= 'Z';
  return is_other_case ? code_point ^ 0x20u : code_point;
}

uint32_t UpperOf(uint32_t code_point) { return Map(code_point, towupper_l, true); }
uint32_t LowerOf(uint32_t code_point) { return Map(code_point, towlower_l, false); }

bool IsLetter(uint32_t code_point) {
  if (UnicodeLocale() != nullptr) return iswalpha_l(code_point, UnicodeLocale()) != 0;
  return (code_point | 0x20u) >= 'a' && (code_point | 0x20u) <= 'z';
}

// Calls change(code point) for each character and writes what it returns; invalid bytes stay.
template <typename Change>
std::string MapText(std::string_view text, Change change) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const base::CodePoint point = base::DecodeUtf8(text, i);
    if (point.value == base::kInvalidCodePoint) {
      out += text[i];
    } else {
      base::AppendUtf8(change(point.value), &out);
    }
    i += point.length;
  }
  return out;
}

template <typename Test>
bool All(std::string_view text, Test test) {
  for (size_t i = 0; i < text.size();) {
    const base::CodePoint point = base::DecodeUtf8(text, i);
    if (!test(point.value)) return false;
    i += point.length;
  }
  return !text.empty();
}

size_t BeginOfLast(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 &&
         (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) {
    --begin;
  }
  return begin;
}

std::vector<std::string> SplitOnSpaces(std::string_view text, int64_t limit) {
  std::vector<std::string> parts;
  size_t at = 0;
  const auto is_space = [&](size_t i) {
    return base::IsPythonSpace(base::DecodeUtf8(text, i).value);
  };
  const auto step = [&] { at += base::DecodeUtf8(text, at).length; };
  while (true) {
    while (at < text.size() && is_space(at)) step();
    if (at >= text.size()) return parts;
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      parts.push_back(PythonStrip(text.substr(at), std::nullopt, {.left = false, .right = true}));
      return parts;
    }
    const size_t begin = at;
    while (at < text.size() && !is_space(at)) step();
    parts.emplace_back(text.substr(begin, at - begin));
  }
}

}  // namespace

std::string PythonStrip(std::string_view text, std::optional<std::string_view> characters,
                        StripSides sides) {
  const auto goes = [&](std::string_view character) {
    if (!characters.has_value()) return base::IsPythonSpace(base::DecodeUtf8(character, 0).value);
    return characters->find(character) != std::string_view::npos;
  };
  while (sides.left && !text.empty()) {
    const size_t length = base::DecodeUtf8(text, 0).length;
    if (!goes(text.substr(0, length))) break;
    text.remove_prefix(length);
  }
  while (sides.right && !text.empty()) {
    const size_t begin = BeginOfLast(text);
    if (!goes(text.substr(begin))) break;
    text = text.substr(0, begin);
  }
  return std::string(text);
}

std::vector<std::string> PythonSplit(std::string_view text,
                                     std::optional<std::string_view> separator, int64_t limit) {
  if (!separator.has_value()) return SplitOnSpaces(text, limit);
  std::vector<std::string> parts;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t at = text.find(*separator);
    if (at == std::string_view::npos) break;
    parts.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator->size());
  }
  parts.emplace_back(text);
  return parts;
}

std::vector<std::string> PythonSplitFromRight(std::string_view text, std::string_view separator,
                                              int64_t limit) {
  std::vector<std::string> parts;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t at = text.rfind(separator);
    if (at == std::string_view::npos) break;
    parts.emplace_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  parts.emplace_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> PythonSplitLines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  size_t begin = 0, at = 0;
  while (at < text.size()) {
    const base::CodePoint point = base::DecodeUtf8(text, at);
    const uint32_t c = point.value;
    const bool ends = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 ||
                      c == 0x2028 || c == 0x2029;
    const size_t end = at;
    at += point.length;
    if (!ends) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.emplace_back(text.substr(begin, (keep_ends ? at : end) - begin));
    begin = at;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

std::string PythonReplace(std::string_view text, std::string_view from, std::string_view to,
                          int64_t limit) {
  std::string out;
  int64_t done = 0;
  if (from.empty()) {  // between all characters
    for (size_t i = 0; i <= text.size(); ++done) {
      if (limit < 0 || done < limit) out += to;
      if (i == text.size()) break;
      const size_t length = base::DecodeUtf8(text, i).length;
      out += text.substr(i, length);
      i += length;
    }
    return out;
  }
  while (limit < 0 || done < limit) {
    const size_t at = text.find(from);
    if (at == std::string_view::npos) break;
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
    ++done;
  }
  return out.append(text);
}

std::string PythonUpper(std::string_view text) { return MapText(text, UpperOf); }
std::string PythonLower(std::string_view text) { return MapText(text, LowerOf); }

std::string PythonCapitalize(std::string_view text) {
  return MapText(text, [first = true](uint32_t c) mutable {
    return std::exchange(first, false) ? UpperOf(c) : LowerOf(c);
  });
}

std::string PythonTitle(std::string_view text) {
  return MapText(text, [after_letter = false](uint32_t c) mutable {
    const uint32_t mapped = after_letter ? LowerOf(c) : UpperOf(c);
    after_letter = IsLetter(c);
    return mapped;
  });
}

int64_t CountCodePoints(std::string_view text) {
  int64_t count = 0;
  for (size_t i = 0; i < text.size(); i += base::DecodeUtf8(text, i).length) ++count;
  return count;
}

std::vector<std::string> Characters(std::string_view text) {
  std::vector<std::string> characters;
  for (size_t i = 0; i < text.size();) {
    const size_t length = base::DecodeUtf8(text, i).length;
    characters.emplace_back(text.substr(i, length));
    i += length;
  }
  return characters;
}

bool AllDigits(std::string_view text) {
  return All(text, [](uint32_t c) { return c >= '0' && c <= '9'; });
}
bool AllLetters(std::string_view text) { return All(text, IsLetter); }
bool AllSpaces(std::string_view text) { return All(text, base::IsPythonSpace); }

}  // namespace cohort::policy
