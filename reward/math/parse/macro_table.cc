#include "reward/math/parse/macro_table.h"

#include <unordered_map>

#include "reward/math/algebra/expression.h"

namespace cohort::reward::math {
namespace {

using Table = std::unordered_map<std::string_view, Meaning>;

Meaning Of(Function f) { return {Tok::kFunction, static_cast<uint8_t>(f)}; }
Meaning Of(RelationOp op) { return {Tok::kRelation, static_cast<uint8_t>(op)}; }

// Functions are spelled alike as macros and as words.
void AddFunctions(Table* table) {
  using F = Function;
  static constexpr std::pair<std::string_view, F> kFunctions[] = {
      {"sin", F::kSin},        {"cos", F::kCos},          {"tan", F::kTan},
      {"cot", F::kCot},        {"sec", F::kSec},          {"csc", F::kCsc},
      {"tg", F::kTan},         {"ctg", F::kCot},          {"cosec", F::kCsc},
      {"arcsin", F::kArcsin},  {"arccos", F::kArccos},    {"arctan", F::kArctan},
      {"arccot", F::kArccot},  {"arcsec", F::kArcsec},    {"arccsc", F::kArccsc},
      {"asin", F::kArcsin},    {"acos", F::kArccos},      {"atan", F::kArctan},
      {"arctg", F::kArctan},   {"sinh", F::kSinh},        {"cosh", F::kCosh},
      {"tanh", F::kTanh},      {"coth", F::kCoth},        {"sech", F::kSech},
      {"csch", F::kCsch},      {"arsinh", F::kArsinh},    {"arcosh", F::kArcosh},
      {"artanh", F::kArtanh},  {"arcoth", F::kArcoth},    {"arsech", F::kArsech},
      {"arcsch", F::kArcsch},  {"arcsinh", F::kArsinh},   {"arccosh", F::kArcosh},
      {"arctanh", F::kArtanh}, {"arccoth", F::kArcoth},   {"asinh", F::kArsinh},
      {"acosh", F::kArcosh},   {"atanh", F::kArtanh},     {"arcsech", F::kArsech},
      {"arccsch", F::kArcsch}, {"exp", F::kExp},          {"ln", F::kLn},
      {"log", F::kLog},        {"lg", F::kLog},           {"abs", F::kAbs},
      {"floor", F::kFloor},    {"ceil", F::kCeiling},     {"ceiling", F::kCeiling},
      {"sgn", F::kSign},       {"sign", F::kSign},        {"Gamma", F::kGamma},
      {"Re", F::kReal},        {"Im", F::kImaginaryPart}, {"arg", F::kArgument},
      {"gcd", F::kGcd},        {"lcm", F::kLcm},          {"max", F::kMax},
      {"min", F::kMin},        {"det", F::kDeterminant},  {"tr", F::kTrace},
      {"trace", F::kTrace},    {"deg", F::kDegree},       {"cis", F::kCis},
      {"nCr", F::kBinomial},   {"nPr", F::kPermutations},
  };
  for (const auto& [name, function] : kFunctions) table->emplace(name, Of(function));
}

void AddLayout(Table* table) {
  for (const std::string_view name :
       {"left",         "right",      "middle",     "big",          "Big",          "bigg",
        "Bigg",         "bigl",       "bigr",       "Bigl",         "Bigr",         "biggl",
        "biggr",        "Biggl",      "Biggr",      "displaystyle", "textstyle",    "scriptstyle",
        "limits",       "nolimits",   "quad",       "qquad",        "rm",           "bf",
        "it",           "sf",         "tt",         "cal",          "hspace",       "color",
        "textcolor",    "phantom",    "hfill",      "thinspace",    "enspace",      "small",
        "large",        "Large",      "normalsize", "strut",        "nobreak",      "allowbreak",
        "ensuremath",   "mathstrut",  "mathopen",   "mathclose",    "relax",        "space",
        "boxed",        "fbox",       "hline",      "notag",        "nonumber",     "bold",
        "negthinspace", "huge",       "Huge",       "LARGE",        "footnotesize", "tiny",
        "boldmath",     "nolinebreak"}) {
    table->emplace(name, Meaning{Tok::kDrop});
  }
  for (const std::string_view name :
       {"text",         "textrm", "textbf",  "textit",     "textsf",  "texttt",  "textnormal",
        "mathrm",       "mathbf", "mathit",  "mathsf",     "mathtt",  "mathcal", "mathfrak",
        "operatorname", "mbox",   "hbox",    "boldsymbol", "bm",      "emph",    "textup",
        "textsc",       "pmb",    "mathscr", "underline",  "vec",     "hat",     "overrightarrow",
        "mathnormal",   "mathop", "mathord", "mathbin",    "mathrel", "widehat", "uline",
        "underbar",     "textmd"}) {
    table->emplace(name, Meaning{Tok::kFont, 0, name});
  }
}

void AddRelationsAndSets(Table* table) {
  static constexpr std::pair<std::string_view, RelationOp> kRelations[] = {
      {"le", kLessEqual},
      {"leq", kLessEqual},
      {"leqslant", kLessEqual},
      {"leqq", kLessEqual},
      {"ge", kGreaterEqual},
      {"geq", kGreaterEqual},
      {"geqslant", kGreaterEqual},
      {"geqq", kGreaterEqual},
      {"lt", kLess},
      {"gt", kGreater},
      {"ne", kNotEqual},
      {"neq", kNotEqual},
      {"approx", kApproximately},
      {"simeq", kApproximately},
      {"thickapprox", kApproximately},
      {"equiv", kCongruent},
      {"eq", kEqual},
  };
  for (const auto& [name, op] : kRelations) table->emplace(name, Of(op));
  const std::pair<std::string_view, Meaning> others[] = {
      {"in", {Tok::kIn}},
      {"notin", {Tok::kIn, 1}},
      {"cup", {Tok::kUnion}},
      {"bigcup", {Tok::kUnion}},
      {"cap", {Tok::kIntersection}},
      {"setminus", {Tok::kSetMinus}},
      {"smallsetminus", {Tok::kSetMinus}},
      {"backslash", {Tok::kSetMinus}},
      {"emptyset", {Tok::kEmptySet}},
      {"varnothing", {Tok::kEmptySet}},
      {"infty", {Tok::kInfinity}},
      {"infinity", {Tok::kInfinity}},
      {"mid", {Tok::kMid}},
      {"vert", {Tok::kBar}},
      {"lvert", {Tok::kBar}},
      {"rvert", {Tok::kBar}},
      {"lor", {Tok::kJoin, 1}},
      {"vee", {Tok::kJoin, 1}},
      {"land", {Tok::kJoin, 2}},
      {"wedge", {Tok::kJoin, 2}},
      {"lbrace", {Tok::kOpenSet}},
      {"rbrace", {Tok::kCloseSet}},
      {"langle", {Tok::kOpenAngle}},
      {"rangle", {Tok::kCloseAngle}},
      {"lbrack", {Tok::kOpenSquare}},
      {"rbrack", {Tok::kCloseSquare}},
      {"lfloor", {Tok::kOpenFloor}},
      {"rfloor", {Tok::kCloseFloor}},
      {"lceil", {Tok::kOpenCeiling}},
      {"rceil", {Tok::kCloseCeiling}},
      {"colon", {Tok::kColon}},
      {"lparen", {Tok::kOpen}},
      {"rparen", {Tok::kClose}},
  };
  for (const auto& entry : others) table->insert(entry);
}

void AddOperators(Table* table) {
  const std::pair<std::string_view, Meaning> operators[] = {
      {"cdot", {Tok::kTimes}},
      {"times", {Tok::kTimes}},
      {"ast", {Tok::kTimes}},
      {"div", {Tok::kSlash}},
      {"slash", {Tok::kSlash}},
      {"pm", {Tok::kPlusMinus}},
      {"mp", {Tok::kPlusMinus, 1}},
      {"frac", {Tok::kFraction}},
      {"dfrac", {Tok::kFraction}},
      {"tfrac", {Tok::kFraction}},
      {"cfrac", {Tok::kFraction}},
      {"sqrt", {Tok::kRoot}},
      {"binom", {Tok::kBinomial}},
      {"dbinom", {Tok::kBinomial}},
      {"tbinom", {Tok::kBinomial}},
      {"choose", {Tok::kChoose}},
      {"atop", {Tok::kChoose}},
      {"over", {Tok::kOver}},
      {"overline", {Tok::kOverline}},
      {"bar", {Tok::kOverline}},
      {"dot", {Tok::kOverline}},
      {"begin", {Tok::kBegin}},
      {"end", {Tok::kEndEnvironment}},
      {"sum", {Tok::kSeries}},
      {"prod", {Tok::kSeries, 1}},
      {"int", {Tok::kIntegral}},
      {"lim", {Tok::kLimit}},
      {"to", {Tok::kTo}},
      {"rightarrow", {Tok::kTo}},
      {"longrightarrow", {Tok::kTo}},
      {"Rightarrow", {Tok::kTo}},
      {"Longrightarrow", {Tok::kTo}},
      {"mod", {Tok::kModulo}},
      {"bmod", {Tok::kModulo}},
      {"pmod", {Tok::kModulus}},
      {"angle", {Tok::kAngle}},
      {"measuredangle", {Tok::kAngle}},
      {"triangle", {Tok::kAngle}},
      {"circ", {Tok::kDegree}},
      {"degree", {Tok::kDegree}},
      {"textdegree", {Tok::kDegree}},
      {"prime", {Tok::kPrime}},
      {"ldots", {Tok::kEllipsis}},
      {"dots", {Tok::kEllipsis}},
      {"cdots", {Tok::kEllipsis}},
      {"dotsc", {Tok::kEllipsis}},
      {"dotsb", {Tok::kEllipsis}},
      {"vdots", {Tok::kEllipsis}},
      {"ddots", {Tok::kEllipsis}},
      {"dotso", {Tok::kEllipsis}},
      {"pi", {Tok::kPi}},
      {"partial", {Tok::kPartial}},
      {"percent", {Tok::kPercent}},
      {"pounds", {Tok::kCurrency, 0, "pound"}},
      {"euro", {Tok::kCurrency, 0, "euro"}},
      {"yuan", {Tok::kCurrency, 0, "yuan"}},
      {"rupee", {Tok::kCurrency, 0, "rupee"}},
      {"tenthousand", {Tok::kMillion, 4}},
      {"hundredmillion", {Tok::kMillion, 8}},
      {"cr", {Tok::kNewRow}},
      {"ell", {Tok::kName, 0, "ell"}},
      {"hbar", {Tok::kName, 0, "hbar"}},
      {"imath", {Tok::kLetters, 0, "i"}},
      {"jmath", {Tok::kLetters, 0, "j"}},
  };
  for (const auto& entry : operators) table->insert(entry);
}

void AddGreekLetters(Table* table) {
  for (const std::string_view letter :
       {"alpha",   "beta",     "gamma", "delta", "epsilon", "varepsilon", "zeta",   "eta",
        "theta",   "vartheta", "iota",  "kappa", "lambda",  "mu",         "nu",     "xi",
        "rho",     "varrho",   "sigma", "tau",   "upsilon", "phi",        "varphi", "chi",
        "psi",     "omega",    "Delta", "Theta", "Lambda",  "Xi",         "Pi",     "Sigma",
        "Upsilon", "Phi",      "Psi",   "Omega"}) {
    table->emplace(letter, Meaning{Tok::kName, 0, letter});
  }
}

Table MacroTable() {
  Table table;
  AddFunctions(&table);
  AddLayout(&table);
  AddRelationsAndSets(&table);
  AddOperators(&table);
  AddGreekLetters(&table);
  return table;
}

Table WordTable() {
  Table table;
  AddFunctions(&table);
  for (const std::string_view ambiguous : {"Re", "Im", "tr", "Gamma", "tg", "lg", "sign", "deg"}) {
    table.erase(ambiguous);
  }
  const std::pair<std::string_view, Meaning> words[] = {
      {"sqrt", {Tok::kRoot}},
      {"cbrt", {Tok::kRoot, 3}},
      {"pi", {Tok::kPi}},
      {"infinity", {Tok::kInfinity}},
      {"inf", {Tok::kInfinity}},
      {"oo", {Tok::kInfinity}},
      {"Infinity", {Tok::kInfinity}},
      {"mod", {Tok::kModulo}},
      {"comb", Of(Function::kBinomial)},
      {"binom", Of(Function::kBinomial)},
      {"perm", Of(Function::kPermutations)},
      {"and", {Tok::kJoin, 2}},
      {"or", {Tok::kJoin, 1}},
      {"union", {Tok::kUnion}},
      {"percent", {Tok::kPercent}},
      {"pct", {Tok::kPercent}},
      {"million", {Tok::kMillion, 6}},
      {"billion", {Tok::kMillion, 9}},
      {"trillion", {Tok::kMillion, 12}},
      {"thousand", {Tok::kMillion, 3}},
      {"hundred", {Tok::kMillion, 2}},
      {"degrees", {Tok::kDegree}},
      {"degree", {Tok::kDegree}},
      {"deg", {Tok::kDegree}},
  };
  for (const auto& entry : words) table.insert(entry);
  for (const std::string_view letter :
       {"alpha", "beta", "gamma", "delta", "theta", "lambda", "sigma", "omega", "phi", "mu"}) {
    table.emplace(letter, Meaning{Tok::kName, 0, letter});
  }
  return table;
}

std::optional<Meaning> Find(const Table& table, std::string_view name) {
  const auto found = table.find(name);
  return found == table.end() ? std::nullopt : std::optional<Meaning>(found->second);
}

}  // namespace

std::optional<Meaning> MacroMeaning(std::string_view name) {
  static const Table table = MacroTable();
  return Find(table, name);
}

std::optional<Meaning> WordMeaning(std::string_view word) {
  static const Table table = WordTable();
  return Find(table, word);
}

}  // namespace cohort::reward::math
