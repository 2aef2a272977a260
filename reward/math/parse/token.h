#pragma once

#include <cstdint>
#include <string>

namespace cohort::reward::math {

enum class Tok : uint8_t {
  kEnd,
  kNumber,   // text: plain digits [. digits] [e exponent]
  kLetters,  // text: a run of Latin letters that is no keyword
  kName,     // text: a symbol's name, e.g. a Greek letter
  kText,     // text: the content of \text{...} and its like
  kPi,
  kInfinity,
  kEmptySet,
  kNumberSet,
  kEllipsis,
  kPartial,
  kPlus,
  kMinus,
  kPlusMinus /* id 1: minus-plus */,
  kTimes,
  kSlash,
  kCaret,
  kUnderscore,
  kBang,
  kPrime,
  kPercent,
  kDegree,
  kCurrency,
  kComma,
  kSemicolon,
  kColon,
  kJoin /* id 1: "or", 2: "and" */,
  kBar,
  kMid,
  kOpen,
  kClose,
  kOpenSquare,
  kCloseSquare,
  kOpenGroup,
  kCloseGroup,
  kOpenSet,
  kCloseSet,
  kOpenAngle,
  kCloseAngle,
  kOpenFloor,
  kCloseFloor,
  kOpenCeiling,
  kCloseCeiling,
  kRelation,  // id: a RelationOp
  kIn,        // id 1: not in
  kUnion,
  kIntersection,
  kSetMinus,
  kFunction,  // id: Function
  kFraction,
  kRoot /* \sqrt; id 3: a cube root */,
  kBinomial,
  kChoose,
  kOver,
  kOverline,
  kBegin,
  kEndEnvironment,  // text: the environment
  kAmpersand,
  kNewRow,
  kSeries /* id 1: product */,
  kIntegral,
  kLimit,
  kTo,
  kModulo,
  kModulus /* \pmod */,
  kAngle,    // \angle, \triangle and their like: a name follows
  kMillion,  // id: the power of ten
  kDrop,     // layout without a meaning; never leaves the lexer
  kFont,     // \text and its like; never leaves the lexer
  kUnknown,
};

struct MathToken {
  Tok kind = Tok::kEnd;
  uint8_t id = 0;
  bool space_before = false;
  bool grouped = false;  // kNumber: written with commas between thousands
  std::string text;
};

}  // namespace cohort::reward::math
