// Numbers, names, fractions and roots.

#include <algorithm>

#include "reward/math/algebra/limits.h"
#include "reward/math/parse/characters.h"
#include "reward/math/parse/parser.h"

namespace cohort::reward::math {
namespace {

// The length of the run of digits that a decimal ends by repeating: 1 for 0.8333, 2 for 0.1212; 0
// where none is seen twice, or one digit three times.
size_t Period(const std::string& decimal) {
  const size_t point = decimal.find('.');
  if (point == std::string::npos) return 0;
  const size_t places = decimal.size() - point - 1;
  for (size_t period = 1; 2 * period <= places; ++period) {
    const size_t seen = period == 1 ? 3 : 2 * period;
    if (seen > places) continue;
    bool repeats = true;
    for (size_t i = decimal.size() - seen + period; i < decimal.size(); ++i) {
      repeats = repeats && decimal[i] == decimal[i - period];
    }
    if (repeats) return period;
  }
  return 0;
}

// The letters of combinations, permutations and arrangements.
bool SelectsFrom(const std::string& letter) {
  return letter == "C" || letter == "P" || letter == "A";
}

}  // namespace

NodeId MathParser::Primary() {
  switch (Next().kind) {
    case Tok::kNumber:
      return Number();
    case Tok::kLetters:
      return Letters();
    case Tok::kName: {
      const std::string name = Next().text;
      ++at_;
      return Symbol(name);
    }
    case Tok::kPi:
      ++at_;
      return Make(NodeKind::kPi, {});
    case Tok::kInfinity:
      ++at_;
      return Make(NodeKind::kInfinity, {});
    case Tok::kEllipsis:
      ++at_;
      return AtItemEnd() ? Make(NodeKind::kEllipsis, {}) : kNoNode;
    case Tok::kEmptySet:
      ++at_;
      return Make(NodeKind::kEmptySet, {});
    case Tok::kNumberSet:
      return NumberSet();
    case Tok::kUnderscore:
    case Tok::kCaret:
      return SelectionBetween();
    case Tok::kCurrency:
      return Amount();
    case Tok::kFraction:
      return Fraction();
    case Tok::kRoot:
      return Root();
    case Tok::kBinomial:
      return Binomial();
    case Tok::kOverline:
      return Overline();
    case Tok::kAngle:
      return Angle();
    case Tok::kFunction:
      return Next(1).kind == Tok::kRelation ? FunctionName() : FunctionCall();
    case Tok::kSeries:
      return Series();
    case Tok::kLimit:
      return Limit();
    case Tok::kIntegral:
      return Integral();
    default:
      break;
  }
  const bool empty = At(Tok::kOpenGroup) && Next(1).kind == Tok::kCloseGroup;
  if (empty && (Next(2).kind == Tok::kUnderscore || Next(2).kind == Tok::kCaret)) {
    at_ += 2;
    return SelectionBetween();
  }
  return Bracket();
}

NodeId MathParser::Amount() {
  if (!currency_.empty()) return kNoNode;
  currency_ = CurrencyUnit(Next().text);
  ++at_;
  return At(Tok::kMinus) ? Factor() : Primary();
}

NodeId MathParser::Binomial() {
  ++at_;
  const NodeId n = Argument();
  return MakeFunction(Function::kBinomial, {n, Argument()});
}

// The name of a value: the \\max of "\\max = 12".
NodeId MathParser::FunctionName() {
  const std::string name = "function " + std::to_string(Next().id);
  ++at_;
  return arena_.MakeText(NodeKind::kSymbol, name);
}

// R, Z, N, Q or C with its marks: N^*, Z_+.
NodeId MathParser::NumberSet() {
  std::string name = Next().text;
  ++at_;
  if (At(Tok::kCaret) || At(Tok::kUnderscore)) {
    const bool group = Next(1).kind == Tok::kOpenGroup;
    const Tok mark = Next(group ? 2 : 1).kind;
    const bool marked = mark == Tok::kTimes || mark == Tok::kPlus || mark == Tok::kMinus;
    if (marked && (!group || Next(3).kind == Tok::kCloseGroup)) {
      name += mark == Tok::kTimes ? '*' : mark == Tok::kPlus ? '+' : '-';
      at_ += group ? 4 : 2;
    }
  } else if (At(Tok::kTimes) && AtItemEnd(1)) {
    name += '*';
    ++at_;
  }
  if (name == "N*" || name == "N+") name = "Z+";
  return arena_.MakeText(NodeKind::kNumberSet, name);
}

// \\angle ABC is one name.
NodeId MathParser::Angle() {
  ++at_;
  if (!At(Tok::kLetters) && !At(Tok::kName)) return kNoNode;
  const std::string name = "angle " + Next().text;
  ++at_;
  return Symbol(name);
}

NodeId MathParser::Number() {
  const MathToken token = Next();
  ++at_;
  std::string plain = token.text;
  if (plain.find('.') != std::string::npos && plain.find('e') == std::string::npos) {
    const bool round = At(Tok::kOpen) && !Next().space_before && Next(1).kind == Tok::kNumber &&
                       Next(2).kind == Tok::kClose;  // 0.1(6)
    if (At(Tok::kOverline) || round) return RepeatingDecimal(plain);
  }
  if (At(Tok::kEllipsis) && AtItemEnd(1)) {
    if (const size_t period = Period(plain); period > 0) {  // 0.333...
      ++at_;
      const size_t head = plain.size() - period;
      return Repeating(plain.substr(0, head), plain.substr(head));
    }
  }
  const NodeId value = arena_.MakeNumber(plain);
  if (!At(Tok::kUnderscore)) return value;
  ++at_;
  return BaseNumeral(token, value);
}

// Behind a decimal: (6), \overline{27}, \dot{3}, \dot{1}4285\dot{7}.
NodeId MathParser::RepeatingDecimal(const std::string& plain) {
  std::string repeating;
  if (Accept(Tok::kOpen)) {
    repeating = Next().text;
    ++at_;
    if (!Accept(Tok::kClose)) return kNoNode;
    return Repeating(plain, repeating);
  }
  while (Accept(Tok::kOverline)) {
    const bool group = Accept(Tok::kOpenGroup);
    if (!At(Tok::kNumber)) return kNoNode;
    repeating += Next().text;
    ++at_;
    if (group && !Accept(Tok::kCloseGroup)) return kNoNode;
    if (At(Tok::kNumber) && Next(1).kind == Tok::kOverline) {  // between two dots
      repeating += Next().text;
      ++at_;
    }
  }
  return Repeating(plain, repeating);
}

// a.b with the digits r repeating: (abr - ab) / (10^b (10^r - 1)).
NodeId MathParser::Repeating(const std::string& plain, const std::string& repeating) {
  constexpr size_t kMaxDigits = 200;
  const bool digits = std::all_of(repeating.begin(), repeating.end(), IsDigit);
  if (!digits || repeating.empty() || plain.size() + repeating.size() > kMaxDigits) return kNoNode;
  const size_t point = plain.find('.');
  const size_t places = plain.size() - point - 1;
  const NodeId denominator =
      arena_.MakeNumber(std::string(repeating.size(), '9') + std::string(places, '0'));
  const NodeId tail = Make(NodeKind::kQuotient, {arena_.MakeNumber(repeating), denominator});
  std::string scaled = plain.substr(0, point) + plain.substr(point + 1);
  const NodeId head =
      Make(NodeKind::kQuotient,
           {arena_.MakeNumber(scaled), arena_.MakeNumber("1" + std::string(places, '0'))});
  return Make(NodeKind::kSum, {head, tail});
}

// Digits with a base below them: 1101_2, 2A_{16}.
NodeId MathParser::BaseNumeral(const MathToken& digits, NodeId value) {
  const bool group = Accept(Tok::kOpenGroup);
  if (!At(Tok::kNumber)) return kNoNode;
  const std::string base_text = Next().text;
  ++at_;
  if (group && !Accept(Tok::kCloseGroup)) return kNoNode;
  if (base_text.size() > 2 || value == kNoNode) return kNoNode;
  const int base = std::stoi(base_text);
  if (base < 2 || base > 36) return kNoNode;
  __int128 total = 0;
  int64_t scale = 1;
  bool fraction = false;
  for (const char c : digits.text) {
    if (c == '.') {
      fraction = true;
      continue;
    }
    const int digit = IsDigit(c) ? c - '0' : base;
    if (digit >= base || total > INT64_MAX / 64 || scale > INT64_MAX / 64) return kNoNode;
    total = total * base + digit;
    if (fraction) scale *= base;
  }
  const NodeId sum = Make(NodeKind::kQuotient, {arena_.MakeInteger(static_cast<int64_t>(total)),
                                                arena_.MakeInteger(scale)});
  return Make(NodeKind::kBaseNumeral, {sum}, 0, digits.text + "_" + base_text);
}

// The first letter as a symbol; the rest of its run is left for the next factor.
NodeId MathParser::Letters() {
  MathToken& token = tokens_[at_];
  if (integrals_ > 0 && differential_.empty()) {
    if (auto variable = Differential()) {
      differential_ = *std::move(variable);
      at_ += token.text.size() == 1 ? 2 : 1;
      return arena_.MakeInteger(1);
    }
  }
  const std::string name = token.text.substr(0, 1);
  if (token.text.size() > 1) {
    token.text.erase(0, 1);
    token.space_before = false;
  } else {
    ++at_;
  }
  if (name == "e" && !At(Tok::kUnderscore)) return Make(NodeKind::kEuler, {});
  if (name == "i" && !i_is_index_ && !At(Tok::kUnderscore)) return Make(NodeKind::kImaginary, {});
  if (SelectsFrom(name)) {
    if (const NodeId selection = SelectionBehind(name); selection != kNoNode) return selection;
    if (const NodeId selection = SelectionCall(name); selection != kNoNode) return selection;
  }
  if (ConditionAhead()) return EventCall(name);
  static const std::string kFunctionNames = "fghFGH";
  if (kFunctionNames.find(name) == std::string::npos) return Symbol(name);
  return CallOf(name);
}

// P(X = 2) as one name.
NodeId MathParser::EventCall(const std::string& letter) {
  std::string name = letter;
  int open = 0;
  do {
    open += At(Tok::kOpen) ? 1 : At(Tok::kClose) ? -1 : 0;
    name += Next().text + static_cast<char>('!' + static_cast<int>(Next().kind)) +
            std::to_string(Next().id);
    ++at_;
  } while (open > 0);
  return arena_.MakeText(NodeKind::kSymbol, name);
}

// A symbol with its subscript and primes.
NodeId MathParser::Symbol(std::string name) {
  if (Accept(Tok::kUnderscore) && !Subscript(&name)) return kNoNode;
  while (AcceptPrime()) {
    name += '\'';
    if (At(Tok::kOpen)) return CallOf(name);
  }
  return arena_.MakeText(NodeKind::kSymbol, name);
}

// ' or ^{\\prime}
bool MathParser::AcceptPrime() {
  if (Accept(Tok::kPrime)) return true;
  if (!At(Tok::kCaret)) return false;
  if (Next(1).kind == Tok::kPrime) {
    at_ += 2;
    return true;
  }
  const bool group = Next(1).kind == Tok::kOpenGroup && Next(2).kind == Tok::kPrime &&
                     Next(3).kind == Tok::kCloseGroup;
  if (group) at_ += 4;
  return group;
}

// f, f(x), f'(x), f^{-1}(x), f_1(x).
NodeId MathParser::CallOf(const std::string& letter) {
  std::string name = letter;
  if (Accept(Tok::kUnderscore) && !Subscript(&name)) return kNoNode;
  while (AcceptPrime()) name += '\'';
  const bool inverse = At(Tok::kCaret) && Next(1).kind == Tok::kOpenGroup &&
                       Next(2).kind == Tok::kMinus && Next(3).text == "1" &&
                       Next(4).kind == Tok::kCloseGroup && Next(5).kind == Tok::kOpen;
  if (inverse) {
    at_ += 5;
    name += "^-1";
  }
  if (!At(Tok::kOpen)) return arena_.MakeText(NodeKind::kSymbol, name);
  ++at_;
  std::vector<NodeId> arguments;
  if (!Items({Tok::kClose}, &arguments)) return kNoNode;
  ++at_;
  return arena_.Make(NodeKind::kCall, arguments, 0, name);
}

// Appends "_" and the text of the subscript; false where there is none.
bool MathParser::Subscript(std::string* name) {
  *name += '_';
  if (!At(Tok::kOpenGroup)) {
    if (AtItemEnd()) return false;
    MathToken& token = tokens_[at_];
    const bool split = token.kind == Tok::kLetters && token.text.size() > 1;
    *name += split ? token.text.substr(0, 1) : token.text;
    if (split) {
      token.text.erase(0, 1);
      token.space_before = false;
    } else {
      ++at_;
    }
    return true;
  }
  int open = 0;
  for (; !At(Tok::kEnd); ++at_) {
    if (At(Tok::kOpenGroup)) {
      ++open;
    } else if (At(Tok::kCloseGroup) && --open == 0) {
      ++at_;
      return true;
    } else {
      *name += Next().text.empty() ? std::string(1, 'a' + static_cast<char>(Next().kind) % 26)
                                   : Next().text;
    }
  }
  return false;
}

NodeId MathParser::Fraction() {
  if (const NodeId derivative = Derivative(); derivative != kNoNode) return derivative;
  ++at_;
  const NodeId numerator = Argument();
  if (numerator == kNoNode) return kNoNode;
  return Make(NodeKind::kQuotient, {numerator, Argument()});
}

// \frac{d}{dx} y; kNoNode for any other fraction.
NodeId MathParser::Derivative() {
  const auto is_d = [&](size_t i) {
    return Next(i).kind == Tok::kPartial || (Next(i).kind == Tok::kLetters && Next(i).text == "d");
  };
  if (Next(1).kind != Tok::kOpenGroup || !is_d(2) || Next(3).kind != Tok::kCloseGroup ||
      Next(4).kind != Tok::kOpenGroup) {
    return kNoNode;
  }
  const bool joined = Next(5).kind == Tok::kLetters && Next(5).text.size() == 2 &&
                      Next(5).text[0] == 'd' && Next(6).kind == Tok::kCloseGroup;
  const bool apart = is_d(5) && (Next(6).kind == Tok::kLetters || Next(6).kind == Tok::kName) &&
                     Next(7).kind == Tok::kCloseGroup;
  if (!joined && !apart) return kNoNode;
  const std::string variable = joined ? Next(5).text.substr(1) : Next(6).text;
  at_ += joined ? 7 : 8;
  const NodeId symbol = arena_.MakeText(NodeKind::kSymbol, variable);
  return Make(NodeKind::kDerivative, {Product(), symbol});
}

NodeId MathParser::Root() {
  NodeId index = arena_.MakeInteger(Next().id == 3 ? 3 : 2);
  ++at_;
  if (Accept(Tok::kOpenSquare)) {
    index = Sum();
    if (!Accept(Tok::kCloseSquare)) return kNoNode;
  }
  // "\sqrt13" is read as the root of 13, unlike TeX does.
  const NodeId radicand = At(Tok::kNumber) ? Number() : Argument();
  return Make(NodeKind::kRoot, {radicand, index});
}

// A bar over letters is a name, over a value its conjugate.
NodeId MathParser::Overline() {
  ++at_;
  const bool name = At(Tok::kOpenGroup) && Next(1).kind == Tok::kLetters &&
                    Next(1).text.size() > 1 && Next(2).kind == Tok::kCloseGroup;
  if (name) {
    const std::string text = "overline " + Next(1).text;
    at_ += 3;
    return arena_.MakeText(NodeKind::kSymbol, text);
  }
  return MakeFunction(Function::kConjugate, {Argument()});
}

// A braced group, or the one character that TeX would take.
NodeId MathParser::Argument() {
  const Nesting nesting(&depth_);
  if (depth_ > kMaxDepth) return kNoNode;
  if (At(Tok::kOpenGroup)) return Group();
  if (!At(Tok::kNumber)) return At(Tok::kLetters) ? Letters() : Primary();
  MathToken& token = tokens_[at_];
  if (token.text.size() == 1) {  // never a numeral of another base: \int^1_0
    ++at_;
    return arena_.MakeNumber(token.text);
  }
  const NodeId digit = arena_.MakeNumber(token.text.substr(0, 1));
  token.text.erase(0, 1);
  token.space_before = false;
  return IsDigit(token.text[0]) ? digit : kNoNode;
}

}  // namespace cohort::reward::math
