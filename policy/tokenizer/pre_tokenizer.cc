#include "policy/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <cctype>

#include "base/utf8.h"

namespace cohort::policy {
namespace {

// github.com/openai/gpt-2, encoder.py; ByteLevel{use_regex} of Hugging Face tokenizers.
constexpr char kGpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// A literal for use inside a pattern.
std::string EscapeLiteral(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::ispunct(static_cast<unsigned char>(c)) != 0) out += '\\';
    out += c;
  }
  return out;
}

struct WordSpan {
  size_t begin, end;
  bool is_match;
};

// The whole text as spans: matches, empty ones too, and what lies between them.
std::vector<WordSpan> Cover(const RegexPattern& pattern, bool invert, std::string_view text) {
  std::vector<WordSpan> spans;
  size_t done = 0;
  pattern.ForEachMatch(text, [&](size_t begin, size_t end) {
    if (begin > done) spans.push_back({done, begin, invert});
    spans.push_back({begin, end, !invert});
    done = end;
  });
  if (done < text.size()) spans.push_back({done, text.size(), invert});
  return spans;
}

}  // namespace

PreTokenizer::PreTokenizer(const base::JsonPlace& json) {
  if (!json.value().is_null()) AddSteps(json, 0);
}

void PreTokenizer::AddSteps(const base::JsonPlace& json, int depth) {
  const std::string type = json.Text("type");
  if (type == "Sequence" && depth < 8) {
    const base::JsonPlace parts = json.Member("pretokenizers", "a list");
    for (size_t i = 0; i < parts.ListSize(); ++i) AddSteps(parts.Entry(i), depth + 1);
  } else if (type == "ByteLevel") {
    CutStep step;
    if (json.BoolOr("add_prefix_space", true)) step.prefix = Prefix::kAlways;
    if (json.BoolOr("use_regex", true)) step.pattern.emplace(kGpt2Pattern);
    steps_.push_back(std::move(step));
  } else if (type == "Digits") {
    CutStep step;  // Rust's is_numeric knows two scripts more than Oniguruma's \p{N}
    const std::string digit = R"([\p{N}\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6}])";
    step.pattern.emplace(json.BoolOr("individual_digits", false) ? digit : digit + "+");
    steps_.push_back(std::move(step));
  } else if (type == "Split") {
    AddSplit(json);
  } else if (type == "Metaspace") {
    AddMetaspace(json);
  } else {
    json.Fail("of type '" + type + "' is not supported",
              "supported: ByteLevel, Digits, Split, Metaspace and Sequence of these");
  }
}

void PreTokenizer::AddSplit(const base::JsonPlace& json) {
  const base::JsonPlace pattern = json.Member("pattern", "an object with String or Regex");
  const auto regex = pattern.Optional("Regex");
  CutStep step;
  if (regex) {
    step.pattern = CompileRegex(*regex);
  } else {
    step.pattern.emplace(EscapeLiteral(pattern.Text("String")));
  }
  step.behavior = ParseBehavior(json.Member("behavior", "a text"));
  step.invert = json.BoolOr("invert", false);
  steps_.push_back(std::move(step));
}

void PreTokenizer::AddMetaspace(const base::JsonPlace& json) {
  CutStep step;
  step.space_mark = json.Text("replacement");
  if (step.space_mark.empty() ||
      base::DecodeUtf8(step.space_mark, 0).length != step.space_mark.size())
    json.Member("replacement").Refuse("one character");
  const std::string scheme = json.TextOr("prepend_scheme", "always");
  if (scheme == "always") {
    step.prefix = Prefix::kAlways;
  } else if (scheme == "first") {
    step.prefix = Prefix::kFirst;
  } else if (scheme != "never") {
    json.Member("prepend_scheme").Refuse("always, first or never");
  }
  if (json.BoolOr("split", true)) {
    step.pattern.emplace(EscapeLiteral(step.space_mark));
    step.behavior = Behavior::kMergedWithNext;
  }
  steps_.push_back(std::move(step));
}

PreTokenizer::Behavior PreTokenizer::ParseBehavior(const base::JsonPlace& name) {
  const std::string text = name.Text();
  if (text == "Isolated") return Behavior::kIsolated;
  if (text == "Removed") return Behavior::kRemoved;
  if (text == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (text == "MergedWithNext") return Behavior::kMergedWithNext;
  if (text == "Contiguous") return Behavior::kContiguous;
  name.Refuse("Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous");
}

void PreTokenizer::Rewrite(const CutStep& step, bool begins_text,
                           std::vector<std::string_view>* words, std::deque<std::string>* storage) {
  const std::string& mark = step.space_mark;
  bool first = begins_text;
  for (std::string_view& word : *words) {
    if (!mark.empty() && word.find(' ') != std::string_view::npos) {
      std::string marked;
      for (const char c : word) {
        if (c == ' ') {
          marked += mark;
        } else {
          marked += c;
        }
      }
      word = storage->emplace_back(std::move(marked));
    }
    const std::string_view before = mark.empty() ? std::string_view(" ") : mark;
    const bool wanted = step.prefix == Prefix::kAlways || (step.prefix == Prefix::kFirst && first);
    if (wanted && !word.starts_with(before)) {
      word = storage->emplace_back(std::string(before).append(word));
    }
    first = false;
  }
}

void PreTokenizer::Apply(const CutStep& step, std::string_view text,
                         std::vector<std::string_view>* words) {
  if (step.behavior == Behavior::kIsolated) {
    size_t done = 0;
    step.pattern->ForEachMatch(text, [&](size_t begin, size_t end) {
      if (begin > done) words->push_back(text.substr(done, begin - done));
      if (end > begin) words->push_back(text.substr(begin, end - begin));
      done = end;
    });
    if (done < text.size()) words->push_back(text.substr(done));
    return;
  }
  const std::vector<WordSpan> spans = Cover(*step.pattern, step.invert, text);
  std::vector<WordSpan> merged;
  if (step.behavior == Behavior::kMergedWithNext) {
    bool next_was_match = false;
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
      if (span->is_match && !next_was_match && !merged.empty()) {
        merged.back().begin = span->begin;
      } else {
        merged.push_back(*span);
      }
      next_was_match = span->is_match;
    }
    std::reverse(merged.begin(), merged.end());
  } else {
    for (const WordSpan& span : spans) {
      const bool after_match = !merged.empty() && merged.back().is_match;
      const bool joins = step.behavior == Behavior::kContiguous ? span.is_match == after_match
                         : step.behavior == Behavior::kMergedWithPrevious
                             ? span.is_match && !after_match
                             : false;
      if (step.behavior == Behavior::kRemoved && span.is_match) continue;
      if (joins && !merged.empty()) {
        merged.back().end = span.end;
        merged.back().is_match = span.is_match;
      } else {
        merged.push_back(span);
      }
    }
  }
  for (const WordSpan& span : merged) {
    if (span.end > span.begin) words->push_back(text.substr(span.begin, span.end - span.begin));
  }
}

std::vector<std::string_view> PreTokenizer::Split(std::string_view text, bool begins_text,
                                                  std::deque<std::string>* storage) const {
  std::vector<std::string_view> words = {text};
  std::vector<std::string_view> next;
  for (const CutStep& step : steps_) {
    if (!step.space_mark.empty() || step.prefix != Prefix::kNever) {
      Rewrite(step, begins_text, &words, storage);
    }
    if (!step.pattern.has_value()) continue;
    next.clear();
    for (const std::string_view word : words) Apply(step, word, &next);
    words.swap(next);
  }
  return words;
}

}  // namespace cohort::policy
