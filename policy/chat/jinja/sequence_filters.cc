// Filters of lists and dicts.

#include <algorithm>
#include <map>

#include "policy/chat/jinja/filters.h"
#include "policy/chat/jinja/methods.h"
#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/python_text.h"
#include "policy/chat/jinja/tests.h"

namespace cohort::policy::jinja {
namespace {

using I = Interpreter&;
using V = const Value&;
using A = const Arguments&;

// "a.b.0" of a value, as Jinja2's `attribute` arguments mean it.
Value Path(const Value& value, const Value& path) {
  if (path.IsInteger()) return Item(value, path);
  Value at = value;
  for (const std::string& part : PythonSplit(ToText(path), ".", -1)) {
    if (AllDigits(part) && part.size() < 10) {
      at = Item(at, static_cast<int64_t>(std::stoll(part)));
      continue;
    }
    const Value item = Item(at, Value(part));
    at = item.IsUndefined() ? Attribute(at, part) : item;
  }
  return at;
}

Value Generator(std::vector<Value> items) {
  return List{std::move(items), false, 1, std::make_shared<size_t>(0)};
}

Value Length(I, V input, A) {
  if (const std::string* text = input.AsString()) return CountCodePoints(*text);
  if (const List* list = input.IsGenerator() ? nullptr : input.AsList()) {
    return static_cast<int64_t>(list->items.size());
  }
  if (const Dict* dict = input.AsDict()) return static_cast<int64_t>(dict->items.size());
  if (input.IsUndefined()) return int64_t{0};
  throw TemplateError{std::string("'") + input.TypeName() + "' has no length"};
}

Value Join(I interpreter, V input, A arguments) {
  const Value* separator = arguments.Get(0, "d");
  const Value* attribute = arguments.Get(1, "attribute");
  const std::string between = separator == nullptr ? "" : ToText(*separator);
  std::string out;
  bool first = true;
  for (const Value& item : interpreter.Iterate(input)) {
    if (!std::exchange(first, false)) out += between;
    out += ToText(attribute == nullptr ? item : Path(item, *attribute));
  }
  return interpreter.Charged(std::move(out));
}

Value First(I interpreter, V input, A) {
  if (input.IsGenerator() && *input.AsList()->taken < input.AsList()->items.size()) {
    return input.AsList()->items[(*input.AsList()->taken)++];
  }
  const std::vector<Value> items = interpreter.Iterate(input);
  return items.empty() ? Value(Undefined{"the first of nothing"}) : items.front();
}

Value Last(I interpreter, V input, A) {
  const std::vector<Value> items = interpreter.Iterate(input);
  return items.empty() ? Value(Undefined{"the last of nothing"}) : items.back();
}

Value ToList(I interpreter, V input, A) { return List{interpreter.Iterate(input)}; }

Value Items(I interpreter, V input, A) {
  if (input.IsUndefined()) return Generator({});
  if (input.AsDict() == nullptr) throw TemplateError{"items needs a dict"};
  List list;
  for (const auto& [key, item] : input.AsDict()->items) {
    list.items.push_back(List{{Value(key), item}, /*is_tuple=*/true});
  }
  interpreter.Charge(list.items.size() * 2 * sizeof(Value));
  return Generator(std::move(list.items));
}

Value Reverse(I interpreter, V input, A) {
  std::vector<Value> items = interpreter.Iterate(input);
  std::reverse(items.begin(), items.end());
  if (input.AsString() == nullptr) return Generator(std::move(items));
  std::string text;
  for (const Value& item : items) text += *item.AsString();
  return text;
}

Value FoldCase(const Value& value, bool case_sensitive) {
  return case_sensitive || value.AsString() == nullptr ? value
                                                       : Value(PythonLower(*value.AsString()));
}

bool Flag(const Value* value, bool missing) { return value == nullptr ? missing : value->Truth(); }

Value Sort(I interpreter, V input, A arguments) {
  const bool reverse = Flag(arguments.Get(0, "reverse"), false);
  const bool case_sensitive = Flag(arguments.Get(1, "case_sensitive"), false);
  const Value* attribute = arguments.Get(2, "attribute");
  std::vector<Value> items = interpreter.Iterate(input);
  std::vector<std::pair<Value, size_t>> keys;
  for (size_t i = 0; i < items.size(); ++i) {
    const Value key = attribute == nullptr ? items[i] : Path(items[i], *attribute);
    keys.emplace_back(FoldCase(key, case_sensitive), i);
  }
  for (size_t i = 1; i < keys.size(); ++i) Compare(keys[0].first, keys[i].first);  // same kind
  std::stable_sort(keys.begin(), keys.end(), [&](const auto& a, const auto& b) {
    interpreter.Step();
    const int order = Compare(a.first, b.first);
    return reverse ? order > 0 : order < 0;
  });
  List sorted;
  for (const auto& [key, index] : keys) sorted.items.push_back(items[index]);
  return sorted;
}

Value DictSort(I interpreter, V input, A arguments) {
  const Value pairs = Items(interpreter, input, {});
  Arguments sort;
  const Value* by = arguments.Get(1, "by");
  const Value* reverse = arguments.Get(2, "reverse");
  const Value* case_sensitive = arguments.Get(0, "case_sensitive");
  sort.positional = {Value(Flag(reverse, false)), Value(Flag(case_sensitive, false)),
                     Value(int64_t{by != nullptr && ToText(*by) == "value" ? 1 : 0})};
  return Sort(interpreter, pairs, sort);
}

Value Unique(I interpreter, V input, A arguments) {
  const bool case_sensitive = Flag(arguments.Get(0, "case_sensitive"), false);
  List unique;
  std::vector<Value> seen;
  for (const Value& item : interpreter.Iterate(input)) {
    const Value key = FoldCase(item, case_sensitive);
    interpreter.Step(static_cast<int64_t>(seen.size() / 16) + 1);
    if (std::any_of(seen.begin(), seen.end(), [&](V old) { return Equal(old, key); })) continue;
    seen.push_back(key);
    unique.items.push_back(item);
  }
  return Generator(std::move(unique.items));
}

Value Sum(I interpreter, V input, A arguments) {
  const Value* attribute = arguments.Get(0, "attribute");
  const Value* start = arguments.Get(1, "start");
  Value sum = start == nullptr ? Value(int64_t{0}) : *start;
  for (const Value& item : interpreter.Iterate(input)) {
    sum = Binary(interpreter, "+", sum, attribute == nullptr ? item : Path(item, *attribute));
  }
  return sum;
}

Value Extreme(I interpreter, V input, A arguments, int wanted) {
  const Value* attribute = arguments.Get(1, "attribute");
  const bool case_sensitive = Flag(arguments.Get(0, "case_sensitive"), false);
  Value best = Undefined{"an extreme of nothing"}, best_key;
  bool first = true;
  for (const Value& item : interpreter.Iterate(input)) {
    const Value key =
        FoldCase(attribute == nullptr ? item : Path(item, *attribute), case_sensitive);
    if (std::exchange(first, false) || Compare(key, best_key) * wanted > 0) {
      best = item;
      best_key = key;
    }
  }
  return best;
}

// map(attribute="role"[, default=..]) or map("filter", arguments..).
Value Map(I interpreter, V input, A arguments) {
  const Value* attribute = arguments.Keyword("attribute");
  const Value* fallback = arguments.Keyword("default");
  Filter filter = nullptr;
  Arguments rest;
  if (attribute == nullptr) {
    if (arguments.positional.empty()) throw TemplateError{"map needs a filter or an attribute"};
    const std::string name = ToText(arguments.positional[0]);
    filter = FindFilter(name);
    if (filter == nullptr) throw TemplateError{"filter '" + name + "' is not known"};
    rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
    rest.keywords = arguments.keywords;
  }
  List mapped;
  for (const Value& item : interpreter.Iterate(input)) {
    interpreter.Step();
    Value value = attribute == nullptr ? filter(interpreter, item, rest) : Path(item, *attribute);
    if (value.IsUndefined() && fallback != nullptr) value = *fallback;
    mapped.items.push_back(std::move(value));
  }
  return Generator(std::move(mapped.items));
}

// select("test", ..), selectattr("attribute", "test", ..) and their opposites.
Value SelectBy(I interpreter, V input, A arguments, bool by_attribute, bool wanted) {
  const auto& given = arguments.positional;
  if (by_attribute && given.empty()) throw TemplateError{"an attribute's name is missing"};
  const size_t test_at = by_attribute ? 1 : 0;
  Test test = nullptr;
  std::vector<Value> rest;
  if (given.size() > test_at) {
    const std::string name = ToText(given[test_at]);
    test = FindTest(name);
    if (test == nullptr) throw TemplateError{"test '" + name + "' is not known"};
    rest.assign(given.begin() + static_cast<ptrdiff_t>(test_at) + 1, given.end());
  }
  List selected;
  for (const Value& item : interpreter.Iterate(input)) {
    interpreter.Step();
    const Value value = by_attribute ? Path(item, given[0]) : item;
    if ((test == nullptr ? value.Truth() : test(value, rest)) == wanted) {
      selected.items.push_back(item);
    }
  }
  return Generator(std::move(selected.items));
}

const std::map<std::string_view, Filter>& Filters() {
  static const std::map<std::string_view, Filter> filters = {
      {"length", Length},
      {"count", Length},
      {"join", Join},
      {"first", First},
      {"last", Last},
      {"list", ToList},
      {"items", Items},
      {"reverse", Reverse},
      {"sort", Sort},
      {"dictsort", DictSort},
      {"unique", Unique},
      {"sum", Sum},
      {"max", [](I i, V v, A a) { return Extreme(i, v, a, 1); }},
      {"min", [](I i, V v, A a) { return Extreme(i, v, a, -1); }},
      {"map", Map},
      {"attr",
       [](I, V v, A a) {
         const Value* name = a.Get(0, "name");
         if (name == nullptr) throw TemplateError{"attr needs a name"};
         return Attribute(v, ToText(*name));
       }},
      {"select", [](I i, V v, A a) { return SelectBy(i, v, a, false, true); }},
      {"reject", [](I i, V v, A a) { return SelectBy(i, v, a, false, false); }},
      {"selectattr", [](I i, V v, A a) { return SelectBy(i, v, a, true, true); }},
      {"rejectattr", [](I i, V v, A a) { return SelectBy(i, v, a, true, false); }},
  };
  return filters;
}

}  // namespace

Filter FindSequenceFilter(std::string_view name) {
  const auto found = Filters().find(name);
  return found == Filters().end() ? nullptr : found->second;
}

}  // namespace cohort::policy::jinja
