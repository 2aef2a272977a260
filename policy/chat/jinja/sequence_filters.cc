// Filters of lists and dicts.

#include <algorithm>

#include "policy/chat/jinja/filters.h"
#include "policy/chat/jinja/known_names.h"
#include "policy/chat/jinja/methods.h"
#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/python_text.h"
#include "policy/chat/jinja/tests.h"

namespace cohort::policy::jinja {
namespace {

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
    list.items.push_back(List{{key, item}, /*is_tuple=*/true});
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
  Value reversed(std::move(text));
  reversed.is_markup = input.is_markup;
  return reversed;
}

Value FoldCase(const Value& value, bool case_sensitive) {
  return case_sensitive || value.AsString() == nullptr ? value
                                                       : Value(PythonLower(*value.AsString()));
}

// The key that values are ordered by: themselves, an attribute, or several ("a,b").
Value SortKey(V item, const Value* attribute, bool case_sensitive) {
  if (attribute == nullptr) return FoldCase(item, case_sensitive);
  if (attribute->AsString() == nullptr || attribute->AsString()->find(',') == std::string::npos) {
    return FoldCase(Path(item, *attribute), case_sensitive);
  }
  List keys;
  for (const std::string& part : PythonSplit(*attribute->AsString(), ",", -1)) {
    keys.items.push_back(FoldCase(Path(item, Value(part)), case_sensitive));
  }
  return keys;
}

bool Flag(const Value* value, bool missing) { return value == nullptr ? missing : value->Truth(); }

Value Sort(I interpreter, V input, A arguments) {
  const bool reverse = Flag(arguments.Get(0, "reverse"), false);
  const bool case_sensitive = Flag(arguments.Get(1, "case_sensitive"), false);
  const Value* attribute = arguments.Get(2, "attribute");
  std::vector<Value> items = interpreter.Iterate(input);
  std::vector<std::pair<Value, size_t>> keys;
  for (size_t i = 0; i < items.size(); ++i) {
    keys.emplace_back(SortKey(items[i], attribute, case_sensitive), i);
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
  const Value* attribute = arguments.Get(1, "attribute");
  List unique;
  std::vector<Value> seen;
  for (const Value& item : interpreter.Iterate(input)) {
    const Value key =
        FoldCase(attribute == nullptr ? item : Path(item, *attribute), case_sensitive);
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
  if (sum.AsString() != nullptr) throw TemplateError{"sum does not join texts: use join"};
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
    if (filter == nullptr) throw TemplateError{UnknownFilter(name)};
    rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
    rest.keywords = arguments.keywords;
    if (input.Truth()) CheckFilterArguments(name, rest);
  }
  if (!input.Truth()) return Generator({});  // do_map asks before it goes through
  List mapped;
  for (const Value& item : interpreter.Iterate(input)) {
    interpreter.Step();
    Value value = attribute == nullptr ? filter(interpreter, item, rest) : Path(item, *attribute);
    if (value.IsUndefined() && fallback != nullptr) value = *fallback;
    mapped.items.push_back(std::move(value));
  }
  return Generator(std::move(mapped.items));
}

// Rows of `linecount` values, the last one filled up.
Value Batch(I interpreter, V input, A arguments) {
  const Value* count = arguments.Get(0, "linecount");
  const Value* fill = arguments.Get(1, "fill_with");
  if (count == nullptr) throw TemplateError{"batch needs a number"};
  const int64_t size = count->ToInteger();
  std::vector<Value> rows;
  List row;
  for (Value& item : interpreter.Iterate(input)) {
    if (static_cast<int64_t>(row.items.size()) == size) {
      rows.push_back(std::exchange(row, List{}));
    }
    row.items.push_back(std::move(item));
  }
  if (row.items.empty()) return Generator(std::move(rows));
  if (fill != nullptr && !fill->IsNone()) {
    const int64_t missing = size - static_cast<int64_t>(row.items.size());
    interpreter.Charge(static_cast<size_t>(std::max<int64_t>(missing, 0)) * sizeof(Value));
    for (int64_t i = 0; i < missing; ++i) row.items.push_back(*fill);
  }
  rows.push_back(std::move(row));
  return Generator(std::move(rows));
}

// `slices` lists of about the same length, the longer ones first.
Value SliceEvenly(I interpreter, V input, A arguments) {
  const Value* given = arguments.Get(0, "slices");
  const Value* fill = arguments.Get(1, "fill_with");
  if (given == nullptr || given->ToInteger() < 1) throw TemplateError{"slice needs a number"};
  const std::vector<Value> items = interpreter.Iterate(input);
  const size_t count = static_cast<size_t>(given->ToInteger());
  interpreter.Charge(count * sizeof(Value));
  const size_t each = items.size() / count, longer = items.size() % count;
  std::vector<Value> slices;
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t length = each + (i < longer ? 1 : 0);
    List slice;
    for (size_t k = 0; k < length; ++k) slice.items.push_back(items[at++]);
    if (fill != nullptr && !fill->IsNone() && i >= longer) slice.items.push_back(*fill);
    slices.push_back(std::move(slice));
  }
  return Generator(std::move(slices));
}

// [(value, [items with that value])], by value.
Value GroupBy(I interpreter, V input, A arguments) {
  const Value* attribute = arguments.Get(0, "attribute");
  const Value* fallback = arguments.Get(1, "default");
  const bool case_sensitive = Flag(arguments.Get(2, "case_sensitive"), false);
  if (attribute == nullptr) throw TemplateError{"groupby needs an attribute"};
  struct Member {
    Value key, item, shown;
  };
  std::vector<Member> members;
  for (const Value& item : interpreter.Iterate(input)) {
    Value shown = Path(item, *attribute);
    if (shown.IsUndefined() && fallback != nullptr) shown = *fallback;
    members.push_back({FoldCase(shown, case_sensitive), item, shown});
  }
  for (size_t i = 1; i < members.size(); ++i) Compare(members[0].key, members[i].key);
  std::stable_sort(members.begin(), members.end(), [&](const Member& a, const Member& b) {
    interpreter.Step();
    return Compare(a.key, b.key) < 0;
  });
  List groups;
  for (size_t i = 0; i < members.size();) {
    List group;
    size_t end = i;
    while (end < members.size() && Equal(members[end].key, members[i].key)) {
      group.items.push_back(members[end++].item);
    }
    List pair{{members[i].shown, std::move(group)}, /*is_tuple=*/true};
    pair.is_group = true;
    groups.items.push_back(std::move(pair));
    i = end;
  }
  return groups;
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
  if (!input.Truth()) return Generator({});  // select_or_reject asks before it goes through
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

}  // namespace

const FilterTable& SequenceFilters() {
  static const FilterTable filters = {
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
         return OwnAttribute(v, ToText(*name));
       }},
      {"batch", Batch},
      {"slice", SliceEvenly},
      {"groupby", GroupBy},
      {"select", [](I i, V v, A a) { return SelectBy(i, v, a, false, true); }},
      {"reject", [](I i, V v, A a) { return SelectBy(i, v, a, false, false); }},
      {"selectattr", [](I i, V v, A a) { return SelectBy(i, v, a, true, true); }},
      {"rejectattr", [](I i, V v, A a) { return SelectBy(i, v, a, true, false); }},
  };
  return filters;
}

}  // namespace cohort::policy::jinja
