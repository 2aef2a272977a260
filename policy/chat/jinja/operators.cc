#include "policy/chat/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "policy/chat/jinja/big_integer.h"
#include "policy/chat/jinja/markup.h"

namespace cohort::policy::jinja {
namespace {

[[noreturn]] void RefuseTypes(const std::string& op, const Value& a, const Value& b) {
  throw TemplateError{"'" + op + "' does not work between '" + a.TypeName() + "' and '" +
                      b.TypeName() + "'"};
}

[[noreturn]] void RefuseOverflow() { throw TemplateError{"an integer is too large"}; }

// Python's float.__divmod__ (Objects/floatobject.c).
double FloorDivide(double a, double b) {
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  double whole = std::floor(quotient);
  if (quotient - whole > 0.5) whole += 1;
  return whole;
}

Value FloatPower(double a, double b) {
  if (a == 0 && b < 0) throw TemplateError{"0 cannot be raised to a negative power"};
  const double power = std::pow(a, b);
  if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) {
    throw TemplateError{"the power would be a complex number, which is not supported"};
  }
  if (std::isinf(power) && !std::isinf(a) && !std::isinf(b)) {
    throw TemplateError{"a power is too large"};
  }
  return power;
}

Value FloatArithmetic(const std::string& op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") return FloatPower(a, b);
  if (b == 0) throw TemplateError{"division by zero"};
  if (op == "/") return a / b;
  if (op == "//") return FloorDivide(a, b);
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

Value Repeat(Interpreter& interpreter, const Value& sequence, int64_t count) {
  count = std::max<int64_t>(count, 0);
  if (const std::string* text = sequence.AsString()) {
    if (!text->empty() && count > INT64_MAX / static_cast<int64_t>(text->size())) RefuseOverflow();
    interpreter.Charge(text->size() * static_cast<size_t>(count));
    std::string out;
    for (int64_t i = 0; i < count && !text->empty(); ++i) out += *text;
    return out;
  }
  const List& list = *sequence.AsList();
  if (count > 1'000'000) RefuseOverflow();
  interpreter.Charge(list.items.size() * static_cast<size_t>(count) * sizeof(Value));
  List out{{}, list.is_tuple};
  for (int64_t i = 0; i < count && !list.items.empty(); ++i) {
    out.items.insert(out.items.end(), list.items.begin(), list.items.end());
  }
  return out;
}

Value Join(Interpreter& interpreter, const List& a, const List& b) {
  interpreter.Charge((a.items.size() + b.items.size()) * sizeof(Value));
  List out{a.items, a.is_tuple};
  out.items.insert(out.items.end(), b.items.begin(), b.items.end());
  return out;
}

// Python's slice.indices.
struct SliceRange {
  int64_t start, stop, step;
};

SliceRange ResolveSlice(int64_t length, const Value* start, const Value* stop, const Value* step) {
  const auto given = [](const Value* value) { return value != nullptr && !value->IsNone(); };
  SliceRange range{0, 0, given(step) ? step->ToInteger() : 1};
  if (range.step == 0) throw TemplateError{"a slice's step cannot be 0"};
  range.step = std::clamp<int64_t>(range.step, -(int64_t{1} << 40), int64_t{1} << 40);
  const bool forwards = range.step > 0;
  const int64_t lowest = forwards ? 0 : -1, highest = forwards ? length : length - 1;
  const auto place = [&](const Value* value, int64_t missing) {
    if (!given(value)) return missing;
    int64_t index = std::clamp<int64_t>(value->ToInteger(), -(int64_t{1} << 40), int64_t{1} << 40);
    if (index < 0) index += length;
    return std::clamp(index, lowest, highest);
  };
  range.start = place(start, forwards ? lowest : highest);
  range.stop = place(stop, forwards ? highest : lowest);
  return range;
}

template <typename Visit>
void ForEachIndex(const SliceRange& range, Visit visit) {
  for (int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop; i += range.step) {
    visit(i);
  }
}

// The byte at which each character begins, and the text's length.
std::vector<size_t> CharacterOffsets(const std::string& text) {
  std::vector<size_t> offsets;
  for (size_t i = 0; i < text.size(); i += base::DecodeUtf8(text, i).length) offsets.push_back(i);
  offsets.push_back(text.size());
  return offsets;
}

}  // namespace

Value Binary(Interpreter& interpreter, const std::string& op, const Value& a, const Value& b) {
  if (op == "~") {  // plain text even of HTML, since transformers leaves autoescape off
    const std::string left = ToText(a), right = ToText(b);
    interpreter.Charge(left.size() + right.size());
    return left + right;
  }
  if (op == "+" && (a.is_markup || b.is_markup)) {
    if (a.AsString() == nullptr || b.AsString() == nullptr) RefuseTypes(op, a, b);
    return Markup(interpreter.Charged(EscapedText(a) + EscapedText(b)));
  }
  if (a.IsNumber() && b.IsNumber()) {
    const bool below_one = op == "**" && !b.IsFloat() && IntegerToDouble(b) < 0;
    if (a.IsFloat() || b.IsFloat() || op == "/" || below_one) {
      return FloatArithmetic(op, a.ToDouble(), b.ToDouble());
    }
    return IntegerArithmetic(op, a, b);
  }
  const auto is_sequence = [](const Value& v) {
    return v.AsString() != nullptr ||
           (v.AsList() != nullptr && !v.IsGenerator() && v.AsList()->view.empty());
  };
  if (op == "+" && a.AsString() != nullptr && b.AsString() != nullptr) {
    interpreter.Charge(a.AsString()->size() + b.AsString()->size());
    return *a.AsString() + *b.AsString();
  }
  if (op == "+" && a.AsList() != nullptr && b.AsList() != nullptr && !a.IsGenerator() &&
      !b.IsGenerator() && a.AsList()->view.empty() && b.AsList()->view.empty() &&
      a.AsList()->is_tuple == b.AsList()->is_tuple) {
    return Join(interpreter, *a.AsList(), *b.AsList());
  }
  if (op == "*" && is_sequence(a) && (b.IsInteger() || b.IsBool())) {
    Value repeated = Repeat(interpreter, a, b.ToInteger());
    return a.is_markup ? AsMarkup(std::move(repeated)) : repeated;
  }
  if (op == "*" && is_sequence(b) && (a.IsInteger() || a.IsBool())) {
    return Repeat(interpreter, b, a.ToInteger());
  }
  if (op == "%" && a.AsString() != nullptr) {
    return FormatPercent(interpreter, a, b);
  }
  for (const Value* side : {&a, &b}) {
    if (const auto* undefined = std::get_if<Undefined>(&side->data)) {
      throw TemplateError{"'" + undefined->name + "' is undefined"};
    }
  }
  RefuseTypes(op, a, b);
}

Value Negate(const Value& value) {
  if (value.IsFloat()) return -value.ToDouble();
  return IntegerArithmetic("-", int64_t{0}, value);
}

bool Contains(const Value& haystack, const Value& needle) {
  if (const std::string* text = haystack.AsString()) {
    if (needle.AsString() == nullptr) RefuseTypes("in", needle, haystack);
    return text->find(*needle.AsString()) != std::string::npos;
  }
  if (const List* list = haystack.AsList()) {
    return std::any_of(list->items.begin(), list->items.end(),
                       [&](const Value& item) { return Equal(item, needle); });
  }
  if (const Dict* dict = haystack.AsDict()) {
    return dict->Find(needle) != nullptr;
  }
  if (haystack.IsUndefined()) return false;
  RefuseTypes("in", needle, haystack);
}

Value Item(const Value& container, const Value& key) {
  if (const auto* undefined = std::get_if<Undefined>(&container.data)) {
    throw TemplateError{"'" + undefined->name + "' is undefined"};
  }
  const Undefined missing{key.AsString() != nullptr || key.IsNumber() ? ToText(key) : "an entry"};
  if (const Dict* dict = container.AsDict()) {
    const Value* found = dict->Find(key);
    return found == nullptr ? Value(missing) : *found;
  }
  if (!key.IsInteger() && !key.IsBool()) return missing;
  int64_t index = key.ToInteger();
  if (container.IsGenerator()) return missing;
  if (const List* list = container.AsList()) {
    if (!list->view.empty() && !list->IsRange()) return missing;
    const int64_t length = static_cast<int64_t>(list->items.size());
    if (index < 0) index += length;
    return index >= 0 && index < length ? list->items[static_cast<size_t>(index)] : Value(missing);
  }
  if (const std::string* text = container.AsString()) {
    const std::vector<size_t> offsets = CharacterOffsets(*text);
    const int64_t length = static_cast<int64_t>(offsets.size()) - 1;
    if (index < 0) index += length;
    if (index < 0 || index >= length) return missing;
    Value character(text->substr(offsets[index], offsets[index + 1] - offsets[index]));
    character.is_markup = container.is_markup;
    return character;
  }
  return missing;
}

Value Slice(Interpreter& interpreter, const Value& value, const Value* start, const Value* stop,
            const Value* step) {
  if (value.is_markup) {
    return AsMarkup(Slice(interpreter, Value(*value.AsString()), start, stop, step));
  }
  if (value.IsUndefined()) throw TemplateError{"an undefined value cannot be sliced"};
  if (value.AsString() == nullptr && (value.AsList() == nullptr || value.IsGenerator())) {
    return Undefined{"a slice"};
  }
  if (value.AsList() != nullptr && !value.AsList()->view.empty()) {
    if (!value.AsList()->IsRange()) return Undefined{"a slice"};
    throw TemplateError{"a slice of a range is not supported: use |list first"};
  }
  if (const std::string* text = value.AsString()) {
    const std::vector<size_t> offsets = CharacterOffsets(*text);
    const int64_t length = static_cast<int64_t>(offsets.size()) - 1;
    const SliceRange range = ResolveSlice(length, start, stop, step);
    if (range.step == 1) {
      const size_t begin = offsets[range.start];
      const size_t end = offsets[std::max(range.start, range.stop)];
      return interpreter.Charged(text->substr(begin, end - begin));
    }
    std::string out;
    ForEachIndex(range,
                 [&](int64_t i) { out.append(*text, offsets[i], offsets[i + 1] - offsets[i]); });
    return interpreter.Charged(std::move(out));
  }
  const std::vector<Value>& items = value.AsList()->items;
  List list{{}, value.AsList()->is_tuple};
  ForEachIndex(ResolveSlice(static_cast<int64_t>(items.size()), start, stop, step),
               [&](int64_t i) { list.items.push_back(items[static_cast<size_t>(i)]); });
  interpreter.Charge(list.items.size() * sizeof(Value));
  return list;
}

}  // namespace cohort::policy::jinja
