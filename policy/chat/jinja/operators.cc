#include "policy/chat/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "base/utf8.h"

namespace cohort::policy::jinja {
namespace {

[[noreturn]] void RefuseTypes(const std::string& op, const Value& a, const Value& b) {
  throw TemplateError{"'" + op + "' does not work between '" + a.TypeName() + "' and '" +
                      b.TypeName() + "'"};
}

[[noreturn]] void RefuseOverflow() { throw TemplateError{"an integer is too large"}; }

Value Floor(int64_t a, int64_t b, bool remainder) {
  if (b == 0) throw TemplateError{"division by zero"};
  if (b == -1) {  // the one quotient that may overflow
    if (remainder) return int64_t{0};
    if (a == INT64_MIN) RefuseOverflow();
    return -a;
  }
  int64_t quotient = a / b, rest = a % b;
  if (rest != 0 && (rest < 0) != (b < 0)) {
    --quotient;
    rest += b;
  }
  return remainder ? rest : quotient;
}

Value Power(int64_t base, int64_t exponent) {
  if (exponent < 0) return std::pow(static_cast<double>(base), static_cast<double>(exponent));
  int64_t result = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (result == 0 || (base == 1)) break;
    if (base == -1) return exponent % 2 == 0 ? int64_t{1} : int64_t{-1};
    if (__builtin_mul_overflow(result, base, &result)) RefuseOverflow();
  }
  return result;
}

Value IntegerArithmetic(const std::string& op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+" && !__builtin_add_overflow(a, b, &result)) return result;
  if (op == "-" && !__builtin_sub_overflow(a, b, &result)) return result;
  if (op == "*" && !__builtin_mul_overflow(a, b, &result)) return result;
  if (op == "//") return Floor(a, b, /*remainder=*/false);
  if (op == "%") return Floor(a, b, /*remainder=*/true);
  if (op == "**") return Power(a, b);
  RefuseOverflow();
}

Value FloatArithmetic(const std::string& op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") return std::pow(a, b);
  if (b == 0) throw TemplateError{"division by zero"};
  if (op == "/") return a / b;
  if (op == "//") return std::floor(a / b);
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
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
  if (op == "~") {
    const std::string left = ToText(a), right = ToText(b);
    interpreter.Charge(left.size() + right.size());
    return left + right;
  }
  if (a.IsNumber() && b.IsNumber()) {
    if (a.IsFloat() || b.IsFloat() || op == "/") {
      return FloatArithmetic(op, a.ToDouble(), b.ToDouble());
    }
    return IntegerArithmetic(op, a.ToInteger(), b.ToInteger());
  }
  const auto is_sequence = [](const Value& v) {
    return v.AsString() != nullptr || (v.AsList() != nullptr && !v.IsGenerator());
  };
  if (op == "+" && a.AsString() != nullptr && b.AsString() != nullptr) {
    interpreter.Charge(a.AsString()->size() + b.AsString()->size());
    return *a.AsString() + *b.AsString();
  }
  if (op == "+" && a.AsList() != nullptr && b.AsList() != nullptr && !a.IsGenerator() &&
      !b.IsGenerator() && a.AsList()->is_tuple == b.AsList()->is_tuple) {
    return Join(interpreter, *a.AsList(), *b.AsList());
  }
  if (op == "*" && is_sequence(a) && (b.IsInteger() || b.IsBool())) {
    return Repeat(interpreter, a, b.ToInteger());
  }
  if (op == "*" && is_sequence(b) && (a.IsInteger() || a.IsBool())) {
    return Repeat(interpreter, b, a.ToInteger());
  }
  if (op == "%" && a.AsString() != nullptr) {
    const bool several = b.AsList() != nullptr && b.AsList()->is_tuple;
    const std::vector<Value> values = several ? b.AsList()->items : std::vector<Value>{b};
    return interpreter.Charged(FormatPercent(*a.AsString(), values));
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
  const int64_t integer = value.ToInteger();
  if (integer == INT64_MIN) RefuseOverflow();
  return -integer;
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
    return needle.AsString() != nullptr && dict->Find(*needle.AsString()) != nullptr;
  }
  if (haystack.IsUndefined()) return false;
  RefuseTypes("in", needle, haystack);
}

Value Item(const Value& container, const Value& key) {
  if (const auto* undefined = std::get_if<Undefined>(&container.data)) {
    throw TemplateError{"'" + undefined->name + "' is undefined"};
  }
  const Undefined missing{ToText(key)};
  if (const Dict* dict = container.AsDict()) {
    if (key.AsString() == nullptr) return missing;
    const Value* found = dict->Find(*key.AsString());
    return found == nullptr ? Value(missing) : *found;
  }
  if (!key.IsInteger() && !key.IsBool()) return missing;
  int64_t index = key.ToInteger();
  if (container.IsGenerator()) return missing;
  if (const List* list = container.AsList()) {
    const int64_t length = static_cast<int64_t>(list->items.size());
    if (index < 0) index += length;
    return index >= 0 && index < length ? list->items[static_cast<size_t>(index)] : Value(missing);
  }
  if (const std::string* text = container.AsString()) {
    const std::vector<size_t> offsets = CharacterOffsets(*text);
    const int64_t length = static_cast<int64_t>(offsets.size()) - 1;
    if (index < 0) index += length;
    if (index < 0 || index >= length) return missing;
    return text->substr(offsets[index], offsets[index + 1] - offsets[index]);
  }
  return missing;
}

Value Slice(Interpreter& interpreter, const Value& value, const Value* start, const Value* stop,
            const Value* step) {
  if (value.IsUndefined()) throw TemplateError{"an undefined value cannot be sliced"};
  if (value.AsString() == nullptr && (value.AsList() == nullptr || value.IsGenerator())) {
    return Undefined{"a slice"};
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
