// language: the share of the completion's words that are in the prompt's language, DeepSeek-R1's
// language consistency reward (arXiv 2501.12948 section 2.3.2).

#include <algorithm>
#include <array>
#include <map>

#include "base/utf8.h"
#include "reward/registry.h"
#include "reward/text/script.h"
#include "reward/text/words.h"

namespace cohort::reward {
namespace {

constexpr std::string_view kSentenceEnds = ".!?:;\n";

// "zh", "ja", "ko", "ru", ... by script; Latin letters are "latin" until the words say more.
std::string_view LanguageOf(Script script) {
  switch (script) {
    case Script::kHan:
      return "zh";
    case Script::kKana:
      return "ja";
    case Script::kHangul:
      return "ko";
    case Script::kCyrillic:
      return "ru";
    case Script::kGreek:
      return "el";
    case Script::kArabic:
      return "ar";
    case Script::kHebrew:
      return "he";
    case Script::kDevanagari:
      return "hi";
    case Script::kThai:
      return "th";
    case Script::kLatin:
      return "latin";
    default:
      return "other";
  }
}

using Counts = std::map<std::string_view, int64_t>;

std::string_view Commonest(const Counts& counts) {
  const auto best =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return best == counts.end() ? std::string_view() : best->first;
}

// Adds the words of one sentence to `counts`. A run of letters of one script is a word; of Han and
// kana each character is. Words in Latin letters belong to the language whose common words the
// sentence has most of, else they stay "latin".
void CountSentence(std::string_view sentence, Counts* counts) {
  Counts common;
  for (std::string_view word : SplitWords(sentence)) {
    const auto outside = [](char c) {
      return static_cast<unsigned char>(c) < 0x80 &&
             std::isalpha(static_cast<unsigned char>(c)) == 0;
    };
    while (!word.empty() && outside(word.front())) word.remove_prefix(1);
    while (!word.empty() && outside(word.back())) word.remove_suffix(1);
    const std::string_view language = LatinLanguageOf(word);
    if (!language.empty()) ++common[language];
  }
  const std::string_view latin = common.empty() ? "latin" : Commonest(common);
  Script before = Script::kNone;
  for (size_t at = 0; at < sentence.size();) {
    const base::CodePoint point = base::DecodeUtf8(sentence, at);
    at += point.length;
    const Script script = ScriptOf(point.value);
    const bool single = script == Script::kHan || script == Script::kKana;
    if (script != Script::kNone && (single || script != before)) {
      ++(*counts)[script == Script::kLatin ? latin : LanguageOf(script)];
    }
    before = script;
  }
}

Counts CountLanguages(std::string_view text) {
  const std::string folded = FoldText(text);
  Counts counts;
  for (size_t start = 0; start < folded.size();) {
    const size_t end = std::min(folded.find_first_of(kSentenceEnds, start), folded.size());
    CountSentence(std::string_view(folded).substr(start, end - start), &counts);
    start = end + 1;
  }
  if (counts.contains("ja")) {  // Japanese is written with Han too
    counts["ja"] += counts["zh"];
    counts.erase("zh");
  }
  return counts;
}

// Undecided Latin words count for any language in Latin letters.
bool InLatinLetters(std::string_view language) {
  constexpr std::array<std::string_view, 7> kLatin = {"latin", "en", "de", "fr", "es", "it", "pt"};
  return std::find(kLatin.begin(), kLatin.end(), language) != kLatin.end();
}

class LanguageGrader final : public Grader {
 public:
  explicit LanguageGrader(const Options& options)
      : language_(options.OneOf("language", "prompt",
                                {"prompt", "en", "de", "fr", "es", "it", "pt", "zh", "ja", "ko",
                                 "ru", "el", "ar", "he", "hi", "th"})) {}

  Grade Score(const Sample& sample, const Budget&) const override {
    std::string_view wanted = language_;
    const Counts of_prompt = CountLanguages(sample.prompt());
    if (language_ == "prompt") wanted = Commonest(of_prompt);
    if (wanted.empty()) return Failed(STATUS_UNPARSEABLE, "the prompt has no words");
    const Counts counts = CountLanguages(sample.completion());
    int64_t words = 0, right = 0;
    for (const auto& [language, count] : counts) {
      words += count;
      const bool undecided = (language == "latin" && InLatinLetters(wanted)) ||
                             (wanted == "latin" && InLatinLetters(language));
      // Text in Han alone may be either.
      const bool han = wanted == "ja" && language == "zh";
      if (language == wanted || undecided || han) right += count;
    }
    if (words == 0) return {1, STATUS_OK, "no words, so none in another language"};
    return {static_cast<double>(right) / static_cast<double>(words), STATUS_OK,
            std::to_string(right) + " of " + std::to_string(words) + " words in '" +
                std::string(wanted) + "'"};
  }

 private:
  std::string language_;
};

}  // namespace

RewardInfo LanguageReward() {
  return {"language",
          "share of the completion's words that are in the prompt's language: by script, and among "
          "languages in Latin letters by their commonest words",
          {{"language",
            "prompt (default), or en, de, fr, es, it, pt, zh, ja, ko, ru, el, ar, he, "
            "hi, th"}},
          [](const Options& options) { return std::make_unique<LanguageGrader>(options); }};
}

}  // namespace cohort::reward
