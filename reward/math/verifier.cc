#include "reward/math/verifier.h"

#include <algorithm>
#include <memory>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/cost.h"
#include "reward/math/parse/calendar.h"
#include "reward/math/parse/characters.h"
#include "reward/math/parse/choice.h"
#include "reward/math/parse/compound_quantity.h"
#include "reward/math/parse/formula.h"
#include "reward/math/parse/number_words.h"
#include "reward/math/parse/plain_text.h"
#include "reward/math/parse/unicode_math.h"
#include "reward/text/answer_text.h"
#include "reward/text/math_text.h"
#include "reward/text/plain_characters.h"

namespace cohort::reward::math {
namespace {

// An answer in words as the LaTeX that means the same; any other text as it is.
std::string Phrase(std::string_view text, const Conventions& conventions) {
  if (const auto numeral = LetterNumeral(text)) return std::to_string(*numeral);
  if (auto quantity = InOneUnit(text)) return *std::move(quantity);
  if (auto ratio = RatioPhrase(text)) return *std::move(ratio);
  if (text == "{}") return "\\emptyset";
  if (text.size() > 120) return std::string(text);
  if (IsProse(text)) {
    if (SameWords(text, "all real numbers")) return "\\mathbb{R}";
    if (SameWords(text, "all integers")) return "\\mathbb{Z}";
    if (SameWords(text, "no solution")) return "\\emptyset";
  }
  auto number = conventions.number_words ? NumberPhrase(text) : std::nullopt;
  return number ? *std::move(number) : std::string(text);
}

// The answer that is judged: in plain characters, without what is set around it.
std::string Bare(std::string_view text, const Conventions& conventions) {
  if (HasUnicode(text)) {
    const std::string plain = PlainCharacters(text);
    const std::string_view bare = BareAnswer(plain);
    if (!bare.empty()) return Phrase(bare, conventions);  // else it has only unseen characters
  }
  return Phrase(BareAnswer(text), conventions);
}

// Verdicts on dates, times of day and multiple choice; nullopt for other answers.
std::optional<Equality> SpecialForms(std::string_view gold, std::string_view pred) {
  const auto decided = [](bool equal) { return equal ? Equality::kEqual : Equality::kUnequal; };
  const auto gold_date = ParseDate(gold);
  const auto pred_date = ParseDate(pred);
  if (gold_date && pred_date) return decided(*gold_date == *pred_date);
  if (gold_date || pred_date) return Equality::kUnequal;
  const auto gold_time = ParseTime(gold);
  const auto pred_time = ParseTime(pred);
  if (gold_time && pred_time) return decided(SameTime(*gold_time, *pred_time));
  const bool says_half = (gold_time && gold_time->half != 0) || (pred_time && pred_time->half != 0);
  if (says_half) return Equality::kUnequal;
  return std::nullopt;
}

class Judging {
 public:
  Judging(std::string_view gold, std::string_view pred, const Conventions& conventions)
      : gold_(Bare(gold, conventions)), pred_(Bare(pred, conventions)), conventions_(conventions) {}

  MathJudgement Run() {
    if (gold_.empty() || pred_.empty()) {
      judgement_.gold_understood = !gold_.empty();
      return judgement_;
    }
    if (gold_ == pred_) return Decided(Equality::kEqual, "text");
    if (gold_.size() > kMaxAnswerBytes || pred_.size() > kMaxAnswerBytes) return AsTexts(false);
    if (const auto special = SpecialForms(gold_, pred_)) return Decided(*special, "calendar");
    if (const auto choice = Choices()) return *choice;
    return Formulas();
  }

 private:
  MathJudgement Decided(Equality verdict, const char* method) {
    judgement_.equality = verdict;
    judgement_.method = method;
    return judgement_;
  }

  std::optional<MathJudgement> Choices() {
    const auto gold = ParseChoice(gold_);
    const auto pred = ParseChoice(pred_);
    if (!gold && !pred) return std::nullopt;
    const bool gold_option = gold && !gold->lower;
    if (gold_option && pred) {
      if (gold->letter != pred->letter) {
        // Two letters alone; or a letter against a formula that merely begins with one.
        return Decided(Equality::kUnequal, "choice");
      }
      const bool both = !gold->value.empty() && !pred->value.empty();
      if (!both) return Decided(Equality::kEqual, "choice");
      return Judge(gold->value, pred->value, conventions_);
    }
    if (gold_option && !gold->value.empty()) return Judge(gold->value, pred_, conventions_);
    if (!gold && !pred->value.empty()) return Judge(gold_, pred->value, conventions_);
    return std::nullopt;
  }

  MathJudgement Formulas() {
    Equality verdict = WithOptions({}, {});
    if (verdict == Equality::kUnequal && one_is_quantity_) {
      // "5 m s^{-1}" is a product of symbols until the other side has a unit.
      const LexerOptions units{.letters_are_units = true};
      const MathJudgement before = judgement_;
      const Equality again = WithOptions(units, units);
      if (again == Equality::kEqual) return Decided(again, method_);
      judgement_ = before;
    }
    if (verdict == Equality::kUnequal && kind_gold_ >= NodeKind::kList && IsGrouped(pred_)) {
      // "1,234" beside a gold list may be a list as well.
      const Equality again = WithOptions({}, {.comma_thousands = false});
      if (again == Equality::kEqual) verdict = again;
    }
    if (verdict == Equality::kUnequal && conventions_.decimal_comma && DecimalComma()) {
      verdict = Equality::kEqual;
    }
    // "odd" is three factors only until the other side is a word.
    if (verdict == Equality::kUnequal && one_is_text_ && IsProse(gold_) && IsProse(pred_) &&
        SameWords(gold_, pred_)) {
      return Decided(Equality::kEqual, "text");
    }
    if (verdict == Equality::kUndecided) judgement_.gold_costly = GoldIsCostly();
    if (verdict == Equality::kEqual || (judgement_.gold_understood && judgement_.pred_understood)) {
      return Decided(verdict, method_);
    }
    return AsTexts(true);
  }

  Equality WithOptions(LexerOptions gold_options, LexerOptions pred_options) {
    thread_local Arena arena;
    arena.Clear();
    const NodeId gold = Parsed(gold_, gold_options, &arena);
    const NodeId pred = Parsed(pred_, pred_options, &arena);
    judgement_.gold_understood = gold != kNoNode;
    judgement_.pred_understood = pred != kNoNode;
    if (gold == kNoNode || pred == kNoNode) return Equality::kUnequal;
    kind_gold_ = arena[gold].kind;
    one_is_quantity_ = arena.Is(gold, NodeKind::kQuantity) != arena.Is(pred, NodeKind::kQuantity);
    one_is_text_ = arena.Is(gold, NodeKind::kText) || arena.Is(pred, NodeKind::kText);
    Work work;
    Comparer comparer(&arena, conventions_, &work);
    const Equality verdict = comparer.Compare(gold, pred);
    method_ = comparer.method();
    return verdict;
  }

  bool GoldIsCostly() const {
    Arena arena;
    const NodeId gold = Parsed(gold_, {}, &arena);
    return gold != kNoNode && IsCostly(&arena, gold, conventions_);
  }

  static NodeId Parsed(std::string_view text, const LexerOptions& options, Arena* arena) {
    const NodeId parsed = ParseFormula(text, options, arena);
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
    if (!gold.empty()) return Judge(gold, pred_, conventions_).equality == Equality::kEqual;
    if (!pred.empty()) return Judge(gold_, pred, conventions_).equality == Equality::kEqual;
    return false;
  }

  // Answers that do not parse are compared as whole texts.
  MathJudgement AsTexts(bool words) {
    if (gold_.size() > kMaxTextBytes || pred_.size() > kMaxTextBytes) {
      return Decided(Equality::kUnequal, "text");
    }
    const std::string a = NormalizeMathText(gold_);
    // A formula on one side only is never the same text as what failed to parse.
    const bool alike = judgement_.gold_understood == judgement_.pred_understood;
    bool equal = alike && !a.empty() && a == NormalizeMathText(pred_);
    if (words && IsProse(gold_)) {
      judgement_.gold_understood = true;
      equal |= IsProse(pred_) && SameWords(gold_, pred_);
    }
    return Decided(equal ? Equality::kEqual : Equality::kUnequal, "text");
  }

  std::string gold_;
  std::string pred_;
  const Conventions& conventions_;
  MathJudgement judgement_;
  NodeKind kind_gold_ = NodeKind::kNumber;
  bool one_is_quantity_ = false;
  bool one_is_text_ = false;
  const char* method_ = "structure";
};

}  // namespace

MathJudgement Judge(std::string_view gold, std::string_view pred, const Conventions& conventions) {
  return Judging(gold, pred, conventions).Run();
}

}  // namespace cohort::reward::math
