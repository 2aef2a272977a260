#include "policy/pre_tokenizer.h"

#include <algorithm>

#include "base/error.h"

namespace cohort::policy {
namespace {

// github.com/openai/gpt-2, encoder.py; ByteLevel{use_regex} of Hugging Face tokenizers.
constexpr char kGpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// A literal for use inside a pattern.
std::string EscapeLiteral(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && !isalnum(static_cast<unsigned char>(c)))
      out += '\\';
    out += c;
  }
  return out;
}

struct Span {
  size_t begin, end;
  bool is_match;
};

// The whole text as spans: matches and what lies between them.
std::vector<Span> Cover(const RegexPattern& pattern, bool invert, std::string_view text) {
  std::vector<Span> spans;
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

PreTokenizer::PreTokenizer(const nlohmann::json& json, const std::string& source) {
  if (json.is_null()) return;
  try {
    AddSteps(json, "pre_tokenizer", 0);
  } catch (const Error& error) {
    throw Error(error.code(), source + ": " + error.what(), error.hint());
  }
}

void PreTokenizer::AddSteps(const nlohmann::json& json, const std::string& source, int depth) {
  const std::string type = json.value("type", "");
  if (type == "Sequence" && depth < 8) {
    for (const nlohmann::json& part : json.at("pretokenizers")) AddSteps(part, source, depth + 1);
  } else if (type == "ByteLevel") {
    Step step;
    step.add_prefix_space = json.value("add_prefix_space", true);
    if (json.value("use_regex", true)) step.pattern.emplace(kGpt2Pattern);
    steps_.push_back(std::move(step));
  } else if (type == "Digits") {
    Step step;
    step.pattern.emplace(json.value("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)");
    steps_.push_back(std::move(step));
  } else if (type == "Split") {
    AddSplit(json, source);
  } else {
    throw Error(ErrorCode::kUsage, source + " of type '" + type + "' is not supported",
                "supported: ByteLevel, Digits, Split and Sequence of these");
  }
}

void PreTokenizer::AddSplit(const nlohmann::json& json, const std::string& source) {
  const nlohmann::json& pattern = json.at("pattern");
  Step step;
  if (pattern.contains("Regex")) {
    step.pattern.emplace(pattern.at("Regex").get<std::string>());
  } else {
    step.pattern.emplace(EscapeLiteral(pattern.at("String").get<std::string>()));
  }
  step.behavior = ParseBehavior(json.at("behavior").get<std::string>(), source);
  step.invert = json.value("invert", false);
  steps_.push_back(std::move(step));
}

PreTokenizer::Behavior PreTokenizer::ParseBehavior(const std::string& name,
                                                   const std::string& source) {
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  throw Error(ErrorCode::kUsage, source + ": Split behavior '" + name + "' is not supported");
}

void PreTokenizer::Apply(const Step& step, std::string_view text,
                         std::vector<std::string_view>* words) {
  if (step.behavior == Behavior::kIsolated) {
    size_t done = 0;
    step.pattern->ForEachMatch(text, [&](size_t begin, size_t end) {
      if (begin > done) words->push_back(text.substr(done, begin - done));
      words->push_back(text.substr(begin, end - begin));
      done = end;
    });
    if (done < text.size()) words->push_back(text.substr(done));
    return;
  }
  const std::vector<Span> spans = Cover(*step.pattern, step.invert, text);
  std::vector<Span> merged;
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
    for (const Span& span : spans) {
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
  for (const Span& span : merged) words->push_back(text.substr(span.begin, span.end - span.begin));
}

std::vector<std::string_view> PreTokenizer::Split(std::string_view text,
                                                  std::deque<std::string>* storage) const {
  std::vector<std::string_view> words = {text};
  std::vector<std::string_view> next;
  for (const Step& step : steps_) {
    if (step.add_prefix_space) {
      for (std::string_view& word : words) {
        if (!word.starts_with(' ')) word = storage->emplace_back(" " + std::string(word));
      }
    }
    if (!step.pattern.has_value()) continue;
    next.clear();
    for (const std::string_view word : words) Apply(step, word, &next);
    words.swap(next);
  }
  return words;
}

}  // namespace cohort::policy
