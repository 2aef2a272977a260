#include "policy/chat/jinja/python_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace cohort::policy {
namespace {

utf8proc_int32_t Signed(uint32_t code_point) { return static_cast<utf8proc_int32_t>(code_point); }

// One code point to one; those that become several are in FullCase.
uint32_t UpperOf(uint32_t c) { return static_cast<uint32_t>(utf8proc_toupper(Signed(c))); }
uint32_t LowerOf(uint32_t c) { return static_cast<uint32_t>(utf8proc_tolower(Signed(c))); }
uint32_t TitleOf(uint32_t c) { return static_cast<uint32_t>(utf8proc_totitle(Signed(c))); }

utf8proc_category_t CategoryOf(uint32_t code_point) {
  return code_point > 0x10FFFF ? UTF8PROC_CATEGORY_CN : utf8proc_category(Signed(code_point));
}

bool IsLetter(uint32_t c) {
  const utf8proc_category_t category = CategoryOf(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsCased(uint32_t c) {
  const utf8proc_category_t category = CategoryOf(c);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT || LowerOf(c) != c || UpperOf(c) != c;
}

// Unicode's full case folding of one code point.
std::vector<uint32_t> FoldingOf(uint32_t code_point) {
  utf8proc_int32_t folded[8];
  int last_class = UTF8PROC_BOUNDCLASS_START;
  const auto count =
      utf8proc_decompose_char(Signed(code_point), folded, 8, UTF8PROC_CASEFOLD, &last_class);
  if (count < 1 || count > 8) return {code_point};
  return {folded, folded + count};
}

enum class Case { kUpper, kLower, kTitle, kFold };

// SpecialCasing.txt, which follows from full case folding: ß is SS and Ss since it folds to ss.
void AppendInCase(uint32_t c, Case wanted, std::string* out) {
  if (wanted == Case::kLower) {
    if (c == 0x130) return void(out->append("i\u0307"));
    return base::AppendUtf8(LowerOf(c), out);
  }
  const std::vector<uint32_t> folding = FoldingOf(c);
  if (wanted == Case::kFold) {
    for (const uint32_t each : folding) base::AppendUtf8(each, out);
    return;
  }
  const bool title =
      wanted == Case::kTitle;  // Greek letters with a iota have a titlecase of their own
  const uint32_t simple = title ? TitleOf(c) : UpperOf(c);
  const bool upper_already = CategoryOf(c) == UTF8PROC_CATEGORY_LU;
  if (folding.size() < 2 || upper_already || (title && simple != c && c >= 0x1F80)) {
    return base::AppendUtf8(simple, out);
  }
  for (size_t i = 0; i < folding.size(); ++i) {
    const bool upper = !title || i == 0 || c == 0x149;
    base::AppendUtf8(upper ? UpperOf(folding[i]) : folding[i], out);
  }
}

// Marks and the like, which do not end a word.
bool IsCaseIgnorable(uint32_t c) {
  const utf8proc_category_t category = CategoryOf(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
         category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_LM ||
         category == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' || c == ':' || c == 0xB7 ||
         c == 0x2019;
}

// Whether the first character from `at` on that is not case-ignorable has a case.
bool GoesOnCased(std::string_view text, size_t at) {
  while (at < text.size()) {
    const base::CodePoint point = base::DecodeUtf8(text, at);
    if (!IsCaseIgnorable(point.value)) return IsCased(point.value);
    at += point.length;
  }
  return false;
}

// Each character in the case that `choose(code point, after a cased one)` says; invalid bytes stay.
// A capital sigma that ends a word becomes the final one in lower case.
template <typename Choose>
std::string MapText(std::string_view text, Choose choose) {
  std::string out;
  bool after_cased = false, in_word = false;
  for (size_t i = 0; i < text.size();) {
    const base::CodePoint point = base::DecodeUtf8(text, i);
    const uint32_t c = point.value;
    i += point.length;
    if (c == base::kInvalidCodePoint) {
      out += text[i - 1];
      continue;
    }
    const std::optional<Case> wanted = choose(c, after_cased);
    if (c == 0x3A3 && wanted == Case::kLower && in_word && !GoesOnCased(text, i)) {
      out += "\u03c2";
    } else if (wanted.has_value()) {
      AppendInCase(c, *wanted, &out);
    } else {
      base::AppendUtf8(c, &out);
    }
    after_cased = IsCased(c);
    if (!IsCaseIgnorable(c)) in_word = after_cased;
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
      parts.emplace_back(text.substr(at));
      return parts;
    }
    const size_t begin = at;
    while (at < text.size() && !is_space(at)) step();
    parts.emplace_back(text.substr(begin, at - begin));
  }
}

std::vector<std::string> SplitOnSpacesFromRight(std::string_view text, int64_t limit) {
  if (limit < 0) return SplitOnSpaces(text, -1);
  std::vector<std::string> parts;
  constexpr StripSides kRight{false, true};
  std::string rest = PythonStrip(text, std::nullopt, kRight);
  while (!rest.empty() && static_cast<int64_t>(parts.size()) < limit) {
    size_t begin = rest.size();
    while (begin > 0) {
      const size_t before = BeginOfLast(std::string_view(rest).substr(0, begin));
      if (base::IsPythonSpace(base::DecodeUtf8(rest, before).value)) break;
      begin = before;
    }
    parts.push_back(rest.substr(begin));
    rest = PythonStrip(std::string_view(rest).substr(0, begin), std::nullopt, kRight);
  }
  if (!rest.empty()) parts.push_back(std::move(rest));
  std::reverse(parts.begin(), parts.end());
  return parts;
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

std::vector<std::string> PythonSplitFromRight(std::string_view text,
                                              std::optional<std::string_view> given,
                                              int64_t limit) {
  std::vector<std::string> parts;
  if (!given.has_value()) return SplitOnSpacesFromRight(text, limit);
  const std::string_view separator = *given;
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

std::string PythonUpper(std::string_view text) {
  return MapText(text, [](uint32_t, bool) { return std::optional(Case::kUpper); });
}

std::string PythonLower(std::string_view text) {
  return MapText(text, [](uint32_t, bool) { return std::optional(Case::kLower); });
}

std::string PythonCaseFold(std::string_view text) {
  return MapText(text, [](uint32_t, bool) { return std::optional(Case::kFold); });
}

std::string PythonCapitalize(std::string_view text) {
  return MapText(text, [first = true](uint32_t, bool) mutable {
    return std::optional(std::exchange(first, false) ? Case::kTitle : Case::kLower);
  });
}

std::string PythonTitle(std::string_view text) {
  return MapText(text, [](uint32_t, bool after_cased) {
    return std::optional(after_cased ? Case::kLower : Case::kTitle);
  });
}

std::string PythonSwapCase(std::string_view text) {
  return MapText(text, [](uint32_t c, bool) -> std::optional<Case> {
    const utf8proc_category_t category = CategoryOf(c);
    if (category == UTF8PROC_CATEGORY_LU) return Case::kLower;
    if (category == UTF8PROC_CATEGORY_LL) return Case::kUpper;
    return std::nullopt;
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
bool AllDecimal(std::string_view text) {
  return All(text, [](uint32_t c) { return CategoryOf(c) == UTF8PROC_CATEGORY_ND; });
}
bool AllNumbers(std::string_view text) {
  return All(text, [](uint32_t c) {
    const utf8proc_category_t category = CategoryOf(c);
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
  });
}
bool AllAlphanumeric(std::string_view text) {
  return All(text, [](uint32_t c) {
    const utf8proc_category_t category = CategoryOf(c);
    return IsLetter(c) || (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
  });
}
bool AllLetters(std::string_view text) { return All(text, IsLetter); }
bool AllSpaces(std::string_view text) { return All(text, base::IsPythonSpace); }

}  // namespace cohort::policy
