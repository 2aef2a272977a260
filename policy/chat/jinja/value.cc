#include "policy/chat/jinja/value.h"

#include <algorithm>

#include "base/exact_json.h"
#include "policy/chat/jinja/big_integer.h"
#include "policy/chat/jinja/loop.h"

namespace cohort::policy::jinja {

const Value* Dict::Find(const Value& key) const {
  for (const auto& [name, value] : items) {
    if (Equal(name, key)) return &value;
  }
  return nullptr;
}

void Dict::Set(const Value& key, Value value) {
  if (key.AsDict() != nullptr || (key.AsList() != nullptr && !key.AsList()->is_tuple)) {
    throw TemplateError{std::string("a ") + key.TypeName() + " cannot be the key of a dict"};
  }
  for (auto& [name, old] : items) {
    if (Equal(name, key)) {
      old = std::move(value);
      return;
    }
  }
  items.emplace_back(key, std::move(value));
}

Value::Value(List list) {
  for (const Value& item : list.items) list.nesting = std::max(list.nesting, item.NestingInside());
  data = std::make_shared<const List>(std::move(list));
}

Value::Value(Dict dict) {
  for (const auto& [key, item] : dict.items) {
    dict.nesting = std::max(dict.nesting, item.NestingInside());
  }
  data = std::make_shared<Dict>(std::move(dict));
}

int Value::NestingInside() const {
  const Dict* dict = AsDict();
  if (AsLoop() != nullptr || AsCallable() != nullptr || AsCycler() != nullptr ||
      (dict != nullptr && dict->is_namespace)) {
    throw TemplateError{std::string("a ") + (dict != nullptr ? "namespace" : TypeName()) +
                        " cannot be put into a container"};
  }
  const int inner = dict != nullptr ? dict->nesting : (AsList() != nullptr ? AsList()->nesting : 0);
  if (inner >= kMaxNesting) throw TemplateError{"containers are nested too deeply"};
  return inner + 1;
}

const std::string* Value::AsString() const {
  const auto* text = std::get_if<std::shared_ptr<const std::string>>(&data);
  return text == nullptr ? nullptr : text->get();
}

const List* Value::AsList() const {
  const auto* list = std::get_if<std::shared_ptr<const List>>(&data);
  return list == nullptr ? nullptr : list->get();
}

bool Value::IsGenerator() const { return AsList() != nullptr && AsList()->taken != nullptr; }

Dict* Value::AsDict() const {
  const auto* dict = std::get_if<std::shared_ptr<Dict>>(&data);
  return dict == nullptr ? nullptr : dict->get();
}

const LoopState* Value::AsLoop() const {
  const auto* loop = std::get_if<std::shared_ptr<const LoopState>>(&data);
  return loop == nullptr ? nullptr : loop->get();
}

const Callable* Value::AsCallable() const {
  const auto* callable = std::get_if<std::shared_ptr<const Callable>>(&data);
  return callable == nullptr ? nullptr : callable->get();
}

Cycler* Value::AsCycler() const {
  const auto* cycler = std::get_if<std::shared_ptr<Cycler>>(&data);
  return cycler == nullptr ? nullptr : cycler->get();
}

bool Value::Truth() const {
  if (IsUndefined() || IsNone()) return false;
  if (IsBig()) return true;
  if (IsNumber()) return ToDouble() != 0;
  if (const std::string* text = AsString()) return !text->empty();
  if (const List* list = AsList()) return IsGenerator() || !list->items.empty();
  if (const Dict* dict = AsDict()) return dict->is_namespace || !dict->items.empty();
  return true;
}

double Value::ToDouble() const {
  if (const double* value = std::get_if<double>(&data)) return *value;
  if (IsBig()) return IntegerToDouble(*this);
  return static_cast<double>(ToInteger());
}

int64_t Value::ToInteger() const {
  if (const bool* value = std::get_if<bool>(&data)) return *value ? 1 : 0;
  if (const int64_t* value = std::get_if<int64_t>(&data)) return *value;
  if (IsBig()) throw TemplateError{"an integer is too large here"};
  throw TemplateError{std::string("expected an integer, found ") + TypeName()};
}

const char* Value::TypeName() const {
  static const char* const kNames[] = {"undefined", "None", "bool", "int",      "float", "str",
                                       "list",      "dict", "loop", "function", "int",   "cycler"};
  if (IsGenerator()) return "generator";
  if (const List* list = AsList()) {
    if (list->IsRange()) return "range";
    if (!list->view.empty()) return list->view.c_str();
    return list->is_tuple ? "tuple" : "list";
  }
  return kNames[data.index()];
}

const Value* Arguments::Keyword(std::string_view name) const {
  for (const auto& [key, value] : keywords) {
    if (key == name) return &value;
  }
  return nullptr;
}

const Value* Arguments::Get(size_t index, std::string_view name) const {
  return index < positional.size() ? &positional[index] : Keyword(name);
}

Value FromJson(const nlohmann::ordered_json& json, int depth) {
  if (depth > kMaxNesting) throw TemplateError{"the messages are nested too deeply"};
  switch (json.type()) {
    case nlohmann::ordered_json::value_t::boolean:
      return json.get<bool>();
    case nlohmann::ordered_json::value_t::number_integer:
      return json.get<int64_t>();
    case nlohmann::ordered_json::value_t::number_unsigned: {
      const uint64_t value = json.get<uint64_t>();
      if (value > INT64_MAX) return BigInteger{std::to_string(value)};
      return static_cast<int64_t>(value);
    }
    case nlohmann::ordered_json::value_t::number_float:
      return json.get<double>();
    case nlohmann::ordered_json::value_t::binary:
      return BigInteger{base::BigIntegerDigits(json).value()};
    case nlohmann::ordered_json::value_t::string:
      return json.get<std::string>();
    case nlohmann::ordered_json::value_t::array: {
      List list;
      for (const nlohmann::ordered_json& item : json)
        list.items.push_back(FromJson(item, depth + 1));
      return list;
    }
    case nlohmann::ordered_json::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items()) {
        dict.items.emplace_back(key, FromJson(item, depth + 1));
      }
      return dict;
    }
    default:
      return None{};
  }
}

bool Equal(const Value& a, const Value& b) {
  if (a.IsNumber() && b.IsNumber()) {
    if (a.IsFloat() || b.IsFloat()) return a.ToDouble() == b.ToDouble();
    if (a.IsBig() || b.IsBig()) return CompareIntegers(a, b) == 0;
    return a.ToInteger() == b.ToInteger();
  }
  if (a.data.index() != b.data.index()) return false;
  if (a.IsUndefined() || a.IsNone()) return true;
  if (const std::string* text = a.AsString()) return *text == *b.AsString();
  if (const List* list = a.AsList()) {
    const List* other = b.AsList();
    return list->is_tuple == other->is_tuple && list->IsRange() == other->IsRange() &&
           std::equal(list->items.begin(), list->items.end(), other->items.begin(),
                      other->items.end(), Equal);
  }
  if (const Dict* dict = a.AsDict()) {
    const Dict* other = b.AsDict();
    if (dict == other) return true;
    if (dict->is_namespace || other->is_namespace) return false;
    if (dict->items.size() != other->items.size()) return false;
    return std::all_of(dict->items.begin(), dict->items.end(), [&](const auto& item) {
      const Value* match = other->Find(item.first);
      return match != nullptr && Equal(item.second, *match);
    });
  }
  if (a.AsLoop() != nullptr) return a.AsLoop() == b.AsLoop();
  if (a.AsCycler() != nullptr) return a.AsCycler() == b.AsCycler();
  return a.AsCallable() == b.AsCallable();
}

int Compare(const Value& a, const Value& b) {
  const auto order = [](const auto& x, const auto& y) { return x < y ? -1 : (y < x ? 1 : 0); };
  if (a.IsNumber() && b.IsNumber()) {
    if (a.IsFloat() || b.IsFloat()) return order(a.ToDouble(), b.ToDouble());
    if (a.IsBig() || b.IsBig()) return CompareIntegers(a, b);
    return order(a.ToInteger(), b.ToInteger());
  }
  if (a.AsString() != nullptr && b.AsString() != nullptr)
    return order(*a.AsString(), *b.AsString());
  if (a.AsList() != nullptr && b.AsList() != nullptr) {
    const auto& left = a.AsList()->items;
    const auto& right = b.AsList()->items;
    for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      if (!Equal(left[i], right[i])) return Compare(left[i], right[i]);
    }
    return order(left.size(), right.size());
  }
  throw TemplateError{std::string("'") + a.TypeName() + "' and '" + b.TypeName() +
                      "' have no order"};
}

}  // namespace cohort::policy::jinja
