#include "policy/tokenizer/normalizer.h"

#include "base/utf8.h"
#include "policy/tokenizer/nfc.h"

namespace cohort::policy {
namespace {

// Calls `valid` for every longest stretch of UTF-8 and copies what lies between.
template <typename Valid>
std::string OnValidParts(std::string_view text, Valid&& valid) {
  std::string out;
  while (!text.empty()) {
    const size_t length = base::ValidUtf8Prefix(text);
    if (length > 0) out += valid(text.substr(0, length));
    text.remove_prefix(length);
    if (text.empty()) break;
    out += text.front();
    text.remove_prefix(1);
  }
  return out;
}

std::string ReplaceMatches(std::string_view text, const RegexPattern& regex,
                           const std::string& to) {
  std::string out;
  size_t done = 0;
  regex.ForEachMatch(text, [&](size_t begin, size_t end) {
    out += text.substr(done, begin - done);
    out += to;
    done = end;
  });
  out += text.substr(done);
  return out;
}

}  // namespace

std::string ReplaceText(std::string_view text, const std::string& from, const std::string& to) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  size_t done = 0;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    out += text.substr(done, at - done);
    out += to;
    done = at + from.size();
  }
  out += text.substr(done);
  return out;
}

Normalizer::Normalizer(const base::JsonPlace& json) {
  if (!json.value().is_null()) AddSteps(json, 0);
}

void Normalizer::AddSteps(const base::JsonPlace& json, int depth) {
  const std::string type = json.Text("type");
  Edit step{EditKind::kNfc, "", std::nullopt, ""};
  if (type == "Sequence" && depth < 8) {
    const base::JsonPlace parts = json.Member("normalizers", "a list");
    for (size_t i = 0; i < parts.ListSize(); ++i) AddSteps(parts.Entry(i), depth + 1);
    return;
  }
  if (type == "NFC") {
    step.kind = EditKind::kNfc;
  } else if (type == "Prepend") {
    step.kind = EditKind::kPrepend;
    step.text = json.Text("prepend");
  } else if (type == "Replace") {
    const base::JsonPlace pattern = json.Member("pattern", "an object with String or Regex");
    step.text = json.Text("content");
    if (const auto regex = pattern.Optional("Regex")) {
      step.kind = EditKind::kReplaceMatches;
      step.regex = CompileRegex(*regex);
    } else {
      step.kind = EditKind::kReplaceText;
      step.from = pattern.Text("String");
      if (step.from.empty()) pattern.Member("String").Refuse("a text that is not empty");
    }
  } else {
    json.Fail("of type '" + type + "' is not supported",
              "supported: NFC, Replace, Prepend and Sequence of these");
  }
  steps_.push_back(std::move(step));
}

std::string Normalizer::Apply(const Edit& step, std::string_view text) {
  switch (step.kind) {
    case EditKind::kNfc:
      return OnValidParts(text, ComposeNfc);
    case EditKind::kReplaceText:
      return ReplaceText(text, step.from, step.text);
    case EditKind::kReplaceMatches:
      return OnValidParts(text, [&](std::string_view valid) {
        return ReplaceMatches(valid, *step.regex, step.text);
      });
    case EditKind::kPrepend:
      return step.text + std::string(text);
  }
  return std::string(text);
}

std::string_view Normalizer::Normalize(std::string_view text, std::string* storage) const {
  if (text.empty()) return text;
  for (const Edit& step : steps_) {
    if (step.kind == EditKind::kNfc && IsPlainlyNfc(text)) continue;
    std::string changed = Apply(step, text);
    *storage = std::move(changed);
    text = *storage;
  }
  return text;
}

}  // namespace cohort::policy
