#include "reward/math/verifier.h"

#include <algorithm>
#include <memory>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/extract/calendar.h"
#include "reward/math/extract/choice.h"
#include "reward/math/extract/compound_quantity.h"
#include "reward/math/extract/plain_text.h"
#include "reward/math/parse/characters.h"
#include "reward/math/parse/parser.h"
#include "reward/text/answer_text.h"
#include "reward/text/math_text.h"

namespace cohort::reward::math {
namespace {

// Without blanks and full stops around it.
std::string_view Clean(std::string_view text) {
  while (true) {
    text = Trim(text);
    const bool stop = text.size() > 1 &&
                      (text.ends_with('.') || text.ends_with(',') || text.ends_with(';')) &&
                      !text.ends_with("..") && !text.ends_with("\\,") && !text.ends_with("\\;");
    if (stop) {
      text.remove_suffix(1);
    } else if (text.size() > 4 && text.starts_with("**") && text.ends_with("**")) {
      text = text.substr(2, text.size() - 4);
    } else if (text.size() > 2 && text[0] == '$' && text.back() == '$' &&
               text[text.size() - 2] != '\\' &&
               text.substr(1, text.size() - 2).find('$') == std::string_view::npos) {
      text = text.substr(1, text.size() - 2);
    } else {
      return text;
    }
  }
}

// What the answer's words stand for, as LaTeX; the text itself otherwise.
std::string Phrase(std::string_view text, const Conventions& conventions) {
  if (const auto numeral = LetterNumeral(text)) return std::to_string(*numeral);
  if (auto quantity = InOneUnit(text)) return *std::move(quantity);
  if (text.size() > 120 || !IsProse(text)) return std::string(text);
  if (SameWords(text, "all real numbers")) return "\\mathbb{R}";
  if (SameWords(text, "no solution")) return "\\emptyset";
  const auto number = conventions.number_words ? NumberInWords(text) : std::nullopt;
  return number ? std::to_string(*number) : std::string(text);
}

// Verdicts on dates, times of day and multiple choice; nullopt for other answers.
std::optional<Verdict> SpecialForms(std::string_view gold, std::string_view pred) {
  const auto decided = [](bool equal) { return equal ? Verdict::kEqual : Verdict::kUnequal; };
  const auto gold_date = ParseDate(gold);
  const auto pred_date = ParseDate(pred);
  if (gold_date && pred_date) return decided(*gold_date == *pred_date);
  if (gold_date || pred_date) return Verdict::kUnequal;
  const auto gold_time = ParseTime(gold);
  const auto pred_time = ParseTime(pred);
  if (gold_time && pred_time) return decided(SameTime(*gold_time, *pred_time));
  const bool says_half = (gold_time && gold_time->half != 0) || (pred_time && pred_time->half != 0);
  if (says_half) return Verdict::kUnequal;
  return std::nullopt;
}

class Judging {
 public:
  Judging(std::string_view gold, std::string_view pred, const Conventions& conventions)
      : gold_(Phrase(Clean(gold), conventions)),
        pred_(Phrase(Clean(pred), conventions)),
        conventions_(conventions) {}

  Judgement Run() {
    if (gold_.empty() || pred_.empty()) {
      judgement_.gold_understood = !gold_.empty();
      return judgement_;
    }
    if (gold_ == pred_) return Decided(Verdict::kEqual, "text");
    if (gold_.size() > kMaxAnswerBytes || pred_.size() > kMaxAnswerBytes) return AsTexts(false);
    if (const auto special = SpecialForms(gold_, pred_)) return Decided(*special, "calendar");
    if (const auto choice = Choices()) return *choice;
    return Formulas();
  }

 private:
  Judgement Decided(Verdict verdict, const char* method) {
    judgement_.verdict = verdict;
    judgement_.method = method;
    return judgement_;
  }

  std::optional<Judgement> Choices() {
    const auto gold = ParseChoice(gold_);
    const auto pred = ParseChoice(pred_);
    if (!gold && !pred) return std::nullopt;
    const bool gold_option = gold && !gold->lower;
    if (gold_option && pred) {
      if (gold->letter != pred->letter) {
        // Two letters alone; or a letter against a formula that merely begins with one.
        return Decided(Verdict::kUnequal, "choice");
      }
      const bool both = !gold->value.empty() && !pred->value.empty();
      if (!both) return Decided(Verdict::kEqual, "choice");
      return Judge(gold->value, pred->value, conventions_);
    }
    if (gold_option && !gold->value.empty()) return Judge(gold->value, pred_, conventions_);
    if (!gold && !pred->value.empty()) return Judge(gold_, pred->value, conventions_);
    return std::nullopt;
  }

  Judgement Formulas() {
    Verdict verdict = WithCommas({true}, {true});
    if (verdict == Verdict::kUnequal && kind_gold_ >= Kind::kList && IsGrouped(pred_)) {
      // "1,234" beside a gold list may be a list as well.
      const Verdict again = WithCommas({true}, {false});
      if (again == Verdict::kEqual) verdict = again;
    }
    if (verdict == Verdict::kUnequal && conventions_.decimal_comma && DecimalComma()) {
      verdict = Verdict::kEqual;
    }
    // "odd" is three factors only until the other side is a word.
    if (verdict == Verdict::kUnequal && one_is_text_ && IsProse(gold_) && IsProse(pred_) &&
        SameWords(gold_, pred_)) {
      return Decided(Verdict::kEqual, "text");
    }
    if (verdict == Verdict::kEqual || (judgement_.gold_understood && judgement_.pred_understood)) {
      return Decided(verdict, method_);
    }
    return AsTexts(true);
  }

  Verdict WithCommas(LexerOptions gold_options, LexerOptions pred_options) {
    thread_local Arena arena;
    arena.Clear();
    const NodeId gold = Parsed(gold_, gold_options, &arena);
    const NodeId pred = Parsed(pred_, pred_options, &arena);
    judgement_.gold_understood = gold != kNoNode;
    judgement_.pred_understood = pred != kNoNode;
    if (gold == kNoNode || pred == kNoNode) return Verdict::kUnequal;
    kind_gold_ = arena[gold].kind;
    one_is_text_ = arena.Is(gold, Kind::kText) || arena.Is(pred, Kind::kText);
    Work work;
    Comparer comparer(&arena, conventions_, &work);
    const Verdict verdict = comparer.Compare(gold, pred);
    method_ = comparer.method();
    return verdict;
  }

  static NodeId Parsed(std::string_view text, const LexerOptions& options, Arena* arena) {
    const NodeId parsed = Parse(text, options, arena);
    if (parsed == kNoNode) return kNoNode;
    const NodeId resolved = Resolve(arena, parsed);
    return resolved == kNoNode ? parsed : resolved;
  }

  // "d,ddd" without a blank.
  static bool IsGrouped(std::string_view text) {
    for (size_t i = 1; i + 3 < text.size(); ++i) {
      if (text[i] == ',' && IsDigit(text[i - 1]) && IsDigit(text[i + 1]) && text[i + 1] != '0' &&
          IsDigit(text[i + 2]) && IsDigit(text[i + 3])) {
        return true;
      }
    }
    return false;
  }

  // One side is "d,dd" and the other a decimal: the comma may be a decimal comma.
  bool DecimalComma() {
    const auto as_decimal = [](std::string_view text) {
      std::string decimal(text);
      const size_t comma = decimal.find(',');
      if (comma == std::string::npos || comma == 0 || comma + 1 == decimal.size()) {
        return std::string();
      }
      for (size_t i = 0; i < decimal.size(); ++i) {
        const bool sign = i == 0 && decimal[i] == '-';
        if (!IsDigit(decimal[i]) && !sign && i != comma) return std::string();
      }
      decimal[comma] = '.';
      const bool thousands = decimal.size() - comma == 4;
      return thousands ? std::string() : decimal;
    };
    const auto has_point = [](std::string_view text) {
      return text.find('.') != std::string_view::npos && text.find(',') == std::string_view::npos;
    };
    const std::string gold = has_point(pred_) ? as_decimal(gold_) : "";
    const std::string pred = has_point(gold_) ? as_decimal(pred_) : "";
    if (!gold.empty()) return Judge(gold, pred_, conventions_).verdict == Verdict::kEqual;
    if (!pred.empty()) return Judge(gold_, pred, conventions_).verdict == Verdict::kEqual;
    return false;
  }

  // What does not parse compares as text, and never a part of it.
  Judgement AsTexts(bool words) {
    if (gold_.size() > kMaxTextBytes || pred_.size() > kMaxTextBytes) {
      return Decided(Verdict::kUnequal, "text");
    }
    const std::string a = NormalizeMathText(gold_);
    // A formula on one side only is never the same text as what failed to parse.
    const bool alike = judgement_.gold_understood == judgement_.pred_understood;
    bool equal = alike && !a.empty() && a == NormalizeMathText(pred_);
    if (words && IsProse(gold_)) {
      judgement_.gold_understood = true;
      equal |= IsProse(pred_) && SameWords(gold_, pred_);
    }
    return Decided(equal ? Verdict::kEqual : Verdict::kUnequal, "text");
  }

  std::string gold_;
  std::string pred_;
  const Conventions& conventions_;
  Judgement judgement_;
  Kind kind_gold_ = Kind::kNumber;
  bool one_is_text_ = false;
  const char* method_ = "structure";
};

}  // namespace

Judgement Judge(std::string_view gold, std::string_view pred, const Conventions& conventions) {
  return Judging(gold, pred, conventions).Run();
}

bool IsFormulaText(std::string_view text) {
  thread_local Arena arena;
  arena.Clear();
  const NodeId parsed = Parse(Clean(text), {}, &arena);
  return parsed != kNoNode && !arena.Is(parsed, Kind::kText);
}

}  // namespace cohort::reward::math
