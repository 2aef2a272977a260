#include "reward/text/boxed.h"

#include <algorithm>
#include <array>
#include <vector>

#include "reward/text/answer_text.h"

namespace cohort::reward {
namespace {

struct OpenBox {
  size_t begin;    // of the macro
  size_t content;  // behind the opening brace
  size_t end;      // at the closing brace
};

// Width of a "\boxed {" at i, opening brace included; 0 where there is none.
size_t OpeningWidth(std::string_view text, size_t i) {
  for (const std::string_view macro : {"\\boxed", "\\fbox"}) {
    if (!text.substr(i).starts_with(macro)) continue;
    size_t brace = i + macro.size();
    while (brace < text.size() && text[brace] == ' ') ++brace;
    if (brace < text.size() && text[brace] == '{') return brace + 1 - i;
  }
  return 0;
}

// Closed, non-empty boxes in the order of their beginnings: one pass with a stack of open braces.
std::vector<OpenBox> ClosedBoxes(std::string_view text) {
  constexpr size_t kPlainBrace = std::string_view::npos;
  std::vector<OpenBox> open;
  std::vector<OpenBox> closed;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (const size_t width = OpeningWidth(text, i)) {
        open.push_back({i, i + width, 0});
        i += width - 1;
      } else {
        ++i;  // an escaped brace or backslash is no brace
      }
    } else if (text[i] == '{') {
      open.push_back({kPlainBrace, i, 0});
    } else if (text[i] == '}' && !open.empty()) {
      OpenBox box = open.back();
      open.pop_back();
      box.end = i;
      if (box.begin == kPlainBrace) continue;
      if (!Trim(text.substr(box.content, i - box.content)).empty()) closed.push_back(box);
    }
  }
  std::sort(closed.begin(), closed.end(),
            [](const OpenBox& a, const OpenBox& b) { return a.begin < b.begin; });
  return closed;
}

// Width of "x =" or "x_1 =" at the beginning; 0 where there is none.
size_t NameWidth(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !letter(text[0])) return 0;
  size_t end = 1;
  if (text.substr(end).starts_with("_{")) {
    end = std::min(text.find('}', end), text.size() - 1) + 1;
  } else if (text.substr(end).starts_with("_")) {
    end = std::min(end + 2, text.size());
  }
  while (end < text.size() && text[end] == ' ') ++end;
  return end < text.size() && text[end] == '=' ? end + 1 : 0;
}

bool JoinsAList(std::string_view between) {
  static constexpr std::array<std::string_view, 11> kJoiners = {
      ",", "$", "and", "or", "\\text{", "}", "\\(", "\\)", "\\quad", "\\ ", "{"};
  if (between.empty()) return true;
  between = Trim(between);
  bool separated = false;
  while (!between.empty()) {
    if (const size_t name = NameWidth(between); name > 0 && separated) {  // "and x ="
      between = Trim(between.substr(name));
      continue;
    }
    const auto joiner = std::find_if(kJoiners.begin(), kJoiners.end(),
                                     [&](std::string_view j) { return between.starts_with(j); });
    if (joiner == kJoiners.end()) return false;
    separated |= *joiner == "," || *joiner == "and" || *joiner == "or";
    between = Trim(between.substr(joiner->size()));
  }
  return separated;
}

}  // namespace

std::optional<std::string> LastBoxed(std::string_view text) {
  const std::vector<OpenBox> boxes = ClosedBoxes(text);
  if (boxes.empty()) return std::nullopt;
  const auto content = [&](const OpenBox& box) {
    return std::string(Trim(text.substr(box.content, box.end - box.content)));
  };
  constexpr size_t kMaxJoiner = 64;  // bytes between two boxes of one list
  constexpr size_t kMaxList = 64;
  size_t first = boxes.size() - 1;
  while (first > 0 && boxes.size() - first < kMaxList) {
    const OpenBox& before = boxes[first - 1];
    if (before.end >= boxes[first].begin || boxes[first].begin - before.end > kMaxJoiner) break;
    if (!JoinsAList(text.substr(before.end + 1, boxes[first].begin - before.end - 1))) break;
    --first;
  }
  std::string answer = content(boxes[first]);
  for (size_t i = first + 1; i < boxes.size(); ++i) answer += ", " + content(boxes[i]);
  return answer;
}

}  // namespace cohort::reward
