// format: the completion has a shape: a regular expression, or a sequence of tagged blocks.

#include <memory>
#include <vector>

#include "base/utf8.h"
#include "reward/registry.h"
#include "reward/text/answer_text.h"
#include "reward/text/pattern.h"

namespace cohort::reward {
namespace {

class PatternGrader final : public Grader {
 public:
  explicit PatternGrader(const Options& options) : regex_(Compiled(options)) {}

  Grade Score(const Sample& sample, const Budget& budget) const override {
    const std::string& raw = sample.completion();
    const std::string repaired = base::IsValidUtf8(raw) ? "" : base::RepairUtf8(raw);
    const std::string_view text = repaired.empty() ? raw : repaired;
    switch (regex_.SearchUntil(text, [&] { return budget.Exhausted(); })) {
      case base::RegexOutcome::kMatch:
        return {1, STATUS_OK, ""};
      case base::RegexOutcome::kNoMatch:
        return {0, STATUS_OK, "the pattern does not match"};
      case base::RegexOutcome::kTooManySteps:
        return Failed(STATUS_TIMEOUT, "the pattern needs too many steps on this completion");
      case base::RegexOutcome::kOutOfTime:
        return Failed(STATUS_TIMEOUT, "the pattern did not finish in time on this completion");
      case base::RegexOutcome::kFailed:
        break;
    }
    return Failed(STATUS_ERROR, "the pattern could not be matched");
  }

 private:
  static base::Regex Compiled(const Options& options) {
    const std::string pattern = options.RequiredText("pattern");
    const bool whole = options.OneOf("match", "full", {"full", "search"}) == "full";
    return whole ? CompileWholeTextPattern(pattern) : CompileSearchPattern(pattern);
  }

  base::Regex regex_;
};

// The R1 shape (arXiv 2501.12948, table 1): <think> ... </think> <answer> ... </answer> and nothing
// else, each tag exactly once and around some text.
class TagsGrader final : public Grader {
 public:
  explicit TagsGrader(const Options& options) : opened_(options.Flag("opened", false)) {
    const std::string names = options.Text("tags", "think,answer");
    for (size_t begin = 0; begin <= names.size();) {
      const size_t comma = std::min(names.find(',', begin), names.size());
      const std::string name(Trim(std::string_view(names).substr(begin, comma - begin)));
      if (name.empty())
        options.Fail("option 'tags' is '" + names + "', expected names like think,answer");
      open_.push_back("<" + name + ">");
      close_.push_back("</" + name + ">");
      begin = comma + 1;
    }
  }

  Grade Score(const Sample& sample, const Budget&) const override {
    std::string_view rest = sample.completion();
    for (size_t i = 0; i < open_.size(); ++i) {
      if (i > 0 || !opened_) {
        rest = Trim(rest);
        if (!rest.starts_with(open_[i])) return No("expected " + open_[i]);
        rest.remove_prefix(open_[i].size());
      }
      const size_t end = rest.find(close_[i]);
      if (end == std::string_view::npos) return No(open_[i] + " is not closed");
      if (HoldsATag(rest.substr(0, end))) return No("a tag inside " + open_[i]);
      if (Trim(rest.substr(0, end)).empty()) return No(open_[i] + " is empty");
      rest.remove_prefix(end + close_[i].size());
    }
    if (!Trim(rest).empty()) return No("text behind " + close_.back());
    return {1, STATUS_OK, ""};
  }

 private:
  static Grade No(std::string why) { return {0, STATUS_OK, std::move(why)}; }

  bool HoldsATag(std::string_view text) const {
    for (size_t i = 0; i < open_.size(); ++i) {
      if (text.find(open_[i]) != std::string_view::npos) return true;
      if (text.find(close_[i]) != std::string_view::npos) return true;
    }
    return false;
  }

  bool opened_;
  std::vector<std::string> open_;
  std::vector<std::string> close_;
};

std::unique_ptr<Grader> MakeFormat(const Options& options) {
  if (!options.Has("pattern")) {
    if (options.Has("match")) options.Fail("option 'match' needs 'pattern'");
    return std::make_unique<TagsGrader>(options);
  }
  if (options.Has("tags") || options.Has("opened")) {
    options.Fail("option 'pattern' excludes 'tags' and 'opened'");
  }
  return std::make_unique<PatternGrader>(options);
}

}  // namespace

RewardInfo FormatReward() {
  return {"format",
          "1 when the completion has the wanted shape, else 0; by default R1's "
          "<think>...</think><answer>...</answer>",
          {{"tags", "blocks that make up the completion, in order (default think,answer)"},
           {"opened", "true: the prompt already ends with the first opening tag (default false)"},
           {"pattern", "instead of tags: a PCRE2 regular expression"},
           {"match", "full (default): the pattern covers the completion; search: it occurs in it"}},
          MakeFormat};
}

}  // namespace cohort::reward
