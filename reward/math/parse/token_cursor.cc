#include "reward/math/parse/token_cursor.h"

#include "reward/math/algebra/expression.h"
#include "reward/math/parse/characters.h"
#include "reward/math/parse/units.h"

namespace cohort::reward::math {
namespace {

// Whether a run of letters is a word rather than a product of variables: "even", not "abc".
bool IsWord(std::string_view run) {
  if (run.size() < 4) return false;
  return std::any_of(run.begin() + 1, run.end(), [](char c) {
    return std::string_view("aeiou").find(Lower(c)) != std::string_view::npos;
  });
}

}  // namespace

// <1, 2> is a vector where no other relation stands.
void TokenCursor::MarkAngles() {
  constexpr size_t kShortest = 5;  // "<", two items and the comma, ">"
  if (tokens_.size() <= kShortest) return;
  MathToken& first = tokens_.front();
  MathToken& last = tokens_[tokens_.size() - 2];
  const auto relations = std::count_if(tokens_.begin(), tokens_.end(), [](const MathToken& token) {
    return token.kind == Tok::kRelation;
  });
  const bool angles = first.kind == Tok::kRelation && last.kind == Tok::kRelation &&
                      first.id == kLess && last.id == kGreater && relations == 2;
  if (!angles) return;
  first.kind = Tok::kOpenAngle;
  last.kind = Tok::kCloseAngle;
}

// Letters that are words become text; a short word beside a word is one too ("no solution").
void TokenCursor::MarkProse() {
  const auto is_run = [](const MathToken& t) {
    return t.kind == Tok::kLetters && t.text.size() > 1;
  };
  for (size_t i = 0; i + 1 < tokens_.size(); ++i) {
    MathToken& token = tokens_[i];
    if (token.kind != Tok::kLetters) continue;
    const bool beside = is_run(token) && ((is_run(tokens_[i + 1]) && tokens_[i + 1].space_before) ||
                                          (tokens_[i + 1].kind == Tok::kText));
    const bool behind =
        i > 0 && tokens_[i - 1].kind == Tok::kText && token.space_before && token.text.size() > 1;
    if (IsWord(token.text) || beside || behind) token.kind = Tok::kText;
  }
  // Between words alone, a short run is a word as well: "red, green".
  const auto mathematical = [](const MathToken& t) {
    return t.kind != Tok::kText && t.kind != Tok::kLetters && t.kind != Tok::kComma &&
           t.kind != Tok::kJoin && t.kind != Tok::kEnd;
  };
  if (std::any_of(tokens_.begin(), tokens_.end(), mathematical)) return;
  const bool words = std::any_of(tokens_.begin(), tokens_.end(),
                                 [](const MathToken& t) { return t.kind == Tok::kText; });
  for (MathToken& token : tokens_) {
    if (words && is_run(token)) token.kind = Tok::kText;
  }
}

bool TokenCursor::AtItemEnd(size_t ahead) const {
  switch (Next(ahead).kind) {
    case Tok::kEnd:
    case Tok::kComma:
    case Tok::kSemicolon:
    case Tok::kJoin:
    case Tok::kRelation:
    case Tok::kNewRow:
    case Tok::kClose:
    case Tok::kCloseSquare:
    case Tok::kCloseGroup:
    case Tok::kCloseSet:
    case Tok::kCloseAngle:
    case Tok::kEndEnvironment:
    case Tok::kAmpersand:
      return true;
    default:
      return false;
  }
}

// "(n \\in" behind an expression
bool TokenCursor::NoteAhead() const {
  const bool name =
      Next(1).kind == Tok::kName || (Next(1).kind == Tok::kLetters && Next(1).text.size() == 1);
  return at_ > 0 && At(Tok::kOpen) && name && Next(2).kind == Tok::kIn;
}

// Letters behind a number that are a unit and not a product of variables.
bool TokenCursor::UnitAhead() const {
  const MathToken& token = Next();
  if (at_ == 0) return false;
  if (MinutesAt(0)) return tokens_[at_ - 1].kind == Tok::kNumber && AtItemEnd(1);
  if (token.kind == Tok::kFraction) {
    std::string unit;
    size_t end = at_;
    return UnitFraction(&end, &unit) && (!letters_are_units_ || UnitsToTheEnd());
  }
  if (token.kind != Tok::kLetters) return false;
  const Tok before = tokens_[at_ - 1].kind;
  const bool degrees = before == Tok::kDegree || (before == Tok::kCloseGroup && at_ > 1 &&
                                                  tokens_[at_ - 2].kind == Tok::kDegree);
  if (degrees) return AtItemEnd(1) && (token.text == "C" || token.text == "F");
  const bool behind_value = before == Tok::kNumber || before == Tok::kCloseGroup ||
                            before == Tok::kPi || before == Tok::kMillion;
  if (letters_are_units_ && UnitsToTheEnd()) return true;
  if (!behind_value) return false;
  if (token.text == "in" && token.space_before) return AtItemEnd(1);  // inches
  const bool speed = token.text == "m" && token.space_before && Next(1).kind == Tok::kSlash &&
                     Next(2).text == "s" && (AtItemEnd(3) || Next(3).kind == Tok::kCaret);
  if (speed) return true;
  if (token.text.size() < 2) return false;
  if (IsKnownUnit(token.text)) return true;
  return token.space_before && token.text.size() >= 3;
}

// Whether all that follows is made of units by their symbols, behind one value and no sum.
bool TokenCursor::UnitsToTheEnd() const {
  for (size_t i = 0; i < at_; ++i) {
    const Tok kind = tokens_[i].kind;
    if (kind == Tok::kPlus || kind == Tok::kPlusMinus || (kind == Tok::kMinus && i > 0)) {
      return false;
    }
  }
  for (size_t i = at_; tokens_[i].kind != Tok::kEnd; ++i) {
    const MathToken& token = tokens_[i];
    const bool symbol = token.text.size() == 1 &&
                        std::string_view("mgshLNJWVKCFA").find(token.text) != std::string::npos;
    switch (token.kind) {
      case Tok::kLetters:
        if (!symbol && !IsKnownUnit(token.text)) return false;
        break;
      case Tok::kNumber:
        if (tokens_[i - 1].kind != Tok::kCaret && tokens_[i - 1].kind != Tok::kMinus &&
            tokens_[i - 1].kind != Tok::kOpenGroup) {
          return false;
        }
        break;
      case Tok::kText:
      case Tok::kCaret:
      case Tok::kMinus:
      case Tok::kSlash:
      case Tok::kTimes:
      case Tok::kFraction:
      case Tok::kOpenGroup:
      case Tok::kCloseGroup:
        break;
      default:
        return false;
    }
  }
  return true;
}

// \\frac{\\text{km}}{\\text{h}}: the fraction at `end` as "km/h"; moves to its last token.
bool TokenCursor::UnitFraction(size_t* end, std::string* unit) const {
  std::string parts[2];
  size_t i = *end + 1 - at_;
  for (std::string& part : parts) {
    if (Next(i).kind != Tok::kOpenGroup) return false;
    int open = 0;
    do {
      const MathToken& token = Next(i);
      if (token.kind == Tok::kOpenGroup || token.kind == Tok::kCloseGroup) {
        open += token.kind == Tok::kOpenGroup ? 1 : -1;
      } else if (token.kind == Tok::kText ||
                 (token.kind == Tok::kLetters && (letters_are_units_ || open > 1))) {
        part += (part.empty() ? "" : " ") + token.text;  // \\text{h} is a letter in a group
      } else if (token.kind == Tok::kNumber && part.ends_with('^')) {
        part += token.text;
      } else if (token.kind == Tok::kCaret) {
        part += '^';
      } else if (token.kind != Tok::kTimes) {
        return false;
      }
      ++i;
    } while (open > 0);
    if (part.empty()) return false;
  }
  *unit += (unit->empty() ? "" : " ") + parts[0] + "/" + parts[1];
  *end = i + at_ - 1;
  return true;
}

// "_{\\max}" and "_\\min" behind an expression
bool TokenCursor::ExtremeAhead() const {
  const MathToken& token = Next(Next(1).kind == Tok::kOpenGroup ? 2 : 1);
  const auto f = static_cast<Function>(token.id);
  return token.kind == Tok::kFunction && (f == Function::kMax || f == Function::kMin);
}

// "(X = 2)", "(A | B)" and their like, with an equals sign behind: what stands in the brackets is
// no factor but names an event.
bool TokenCursor::ConditionAhead() const {
  if (!At(Tok::kOpen)) return false;
  bool condition = false;
  int open = 0;
  for (size_t i = 0; Next(i).kind != Tok::kEnd; ++i) {
    const Tok kind = Next(i).kind;
    if (kind == Tok::kOpen) ++open;
    if (kind == Tok::kClose && --open == 0) {
      return condition && Next(i + 1).kind == Tok::kRelation;
    }
    condition |= kind == Tok::kRelation || kind == Tok::kBar || kind == Tok::kMid ||
                 kind == Tok::kIn || kind == Tok::kUnion || kind == Tok::kIntersection;
  }
  return false;
}

// One number or one letter, in a group or alone, `ahead` of the next token.
bool TokenCursor::ShortIndex(size_t ahead, std::string* text, size_t* width) const {
  const bool group = Next(ahead).kind == Tok::kOpenGroup;
  const MathToken& token = Next(ahead + (group ? 1 : 0));
  if (group && Next(ahead + 2).kind != Tok::kCloseGroup) return false;
  if (token.kind != Tok::kNumber && (token.kind != Tok::kLetters || token.text.size() != 1)) {
    return false;
  }
  *text = token.text;
  *width = group ? 3 : 1;
  return true;
}

// The variable when the letters ahead are "dx", or "d" and a variable's name.
std::optional<std::string> TokenCursor::Differential() const {
  const std::string& text = Next().text;
  if (text.size() == 2 && text[0] == 'd') return text.substr(1);
  const bool apart = text == "d" && (Next(1).kind == Tok::kName ||
                                     (Next(1).kind == Tok::kLetters && Next(1).text.size() == 1));
  return apart ? std::optional(Next(1).text) : std::nullopt;
}

}  // namespace cohort::reward::math
