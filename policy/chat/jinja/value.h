#pragma once

// Values of a template at work, with Python's notions of truth, equality, order and text.

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cohort::policy::jinja {

class Interpreter;
class Value;
struct Arguments;
struct LoopState;

struct Undefined {
  std::string name;
};
struct None {};
struct List {
  std::vector<Value> items;
  bool is_tuple = false;
  int nesting = 1;
  // Set for what Python makes a generator (select, map, reverse ..): how much of it has been taken.
  // It can be gone through once, is always true, and has neither length nor entries by number.
  std::shared_ptr<size_t> taken = nullptr;
  // Names the type where Python has one of its own and not a list: "dict_items", "dict_keys",
  // "dict_values", or "range(0, 3)", as it is printed.
  std::string view = {};

  bool is_group = false;  // of groupby: a tuple with the names grouper and list

  bool IsRange() const { return view.starts_with("range"); }
};
struct Dict {                                  // in the order of insertion
  std::vector<std::pair<Value, Value>> items;  // keys are texts, numbers, none and tuples
  bool is_namespace = false;                   // attributes may be set
  int nesting = 1;

  const Value* Find(const Value& key) const;
  void Set(const Value& key, Value value);
};
struct Callable {
  std::string name;
  std::function<Value(Interpreter&, const Arguments&)> call;
  bool is_macro = false;
};
struct BigInteger {  // beyond 64 bits
  std::string digits;
};
struct Cycler {  // cycler(..): the values that it goes round, and which is next
  std::vector<Value> items;
  size_t at = 0;
};

// Cheap to copy: text and containers are shared. Only namespaces ever change. Containers hold data
// only (no namespace, loop or function) and nest up to kMaxNesting, so none can hold itself and
// recursion over them is bounded; making another throws TemplateError.
class Value {
 public:
  using Variant =
      std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
                   std::shared_ptr<const List>, std::shared_ptr<Dict>,
                   std::shared_ptr<const LoopState>, std::shared_ptr<const Callable>,
                   std::shared_ptr<const BigInteger>, std::shared_ptr<Cycler>>;

  Value() : data(Undefined{}) {}
  Value(None none) : data(none) {}
  Value(Undefined undefined) : data(std::move(undefined)) {}
  Value(bool value) : data(value) {}
  Value(int64_t value) : data(value) {}
  Value(double value) : data(value) {}
  Value(std::string text) : data(std::make_shared<const std::string>(std::move(text))) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(List list);
  Value(Dict dict);
  Value(std::shared_ptr<const LoopState> loop) : data(std::move(loop)) {}
  Value(Callable callable) : data(std::make_shared<const Callable>(std::move(callable))) {}
  Value(BigInteger big) : data(std::make_shared<const BigInteger>(std::move(big))) {}
  Value(Cycler cycler) : data(std::make_shared<Cycler>(std::move(cycler))) {}

  bool IsUndefined() const { return std::holds_alternative<Undefined>(data); }
  bool IsNone() const { return std::holds_alternative<None>(data); }
  bool IsBool() const { return std::holds_alternative<bool>(data); }
  bool IsInteger() const { return std::holds_alternative<int64_t>(data); }  // a bool is not
  bool IsFloat() const { return std::holds_alternative<double>(data); }
  bool IsBig() const { return std::holds_alternative<std::shared_ptr<const BigInteger>>(data); }
  bool IsNumber() const { return IsBool() || IsInteger() || IsFloat() || IsBig(); }
  const std::string* AsString() const;  // null when it is something else
  const List* AsList() const;
  bool IsGenerator() const;
  Dict* AsDict() const;
  const LoopState* AsLoop() const;
  const Callable* AsCallable() const;
  Cycler* AsCycler() const;

  bool Truth() const;
  double ToDouble() const;    // of a number
  int64_t ToInteger() const;  // of a bool or an integer; throws for one beyond 64 bits
  const char* TypeName() const;
  int NestingInside() const;  // of a container that is to hold this value

  Variant data;
  bool is_markup = false;  // of a text: it is HTML (MarkupSafe), which escapes what is added to it
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;

  const Value* Keyword(std::string_view name) const;
  // The argument at `index` or called `name`; null when it was not given.
  const Value* Get(size_t index, std::string_view name) const;
};

inline constexpr int kMaxNesting = 100;

// Dicts keep their order. Integers beyond 64 bits are expected as base/exact_json.h reads them.
Value FromJson(const nlohmann::ordered_json& json, int depth = 0);

bool Equal(const Value& a, const Value& b);
// Negative, 0, positive. Throws TemplateError when the two have no order.
int Compare(const Value& a, const Value& b);

std::string ToText(const Value& value);     // Python's str
std::string Repr(const Value& value);       // Python's repr
std::string AsciiRepr(const Value& value);  // Python's ascii
struct JsonStyle {
  std::optional<std::string> indent;  // of each level; without: one line
  std::string item_separator = ", ", key_separator = ": ";
  bool sort_keys = false, ascii = false;
};
std::string ToJsonText(const Value& value, const JsonStyle& style);  // Python's json.dumps

// An error in a template; the interpreter adds the line.
struct TemplateError {
  std::string message;
};

}  // namespace cohort::policy::jinja
