#include "policy/chat/jinja/methods.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "policy/chat/jinja/interpreter.h"
#include "policy/chat/jinja/loop.h"
#include "policy/chat/jinja/text_methods.h"

namespace cohort::policy::jinja {
namespace {

using DictMethod = Value (*)(const Dict& dict, const Arguments& arguments);

Value Items(const Dict& dict, const Arguments&) {
  List list;
  list.view = "dict_items";
  for (const auto& [key, item] : dict.items) {
    list.items.push_back(List{{key, item}, /*is_tuple=*/true});
  }
  return list;
}

const std::map<std::string_view, DictMethod>& DictMethods() {
  using D = const Dict&;
  using A = const Arguments&;
  static const std::map<std::string_view, DictMethod> methods = {
      {"items", Items},
      {"keys",
       [](D d, A) {
         List list;
         list.view = "dict_keys";
         for (const auto& [key, item] : d.items) list.items.push_back(key);
         return Value(std::move(list));
       }},
      {"values",
       [](D d, A) {
         List list;
         list.view = "dict_values";
         for (const auto& [key, item] : d.items) list.items.push_back(item);
         return Value(std::move(list));
       }},
      {"get",
       [](D d, A a) {
         const Value* key = a.Get(0, "key");
         const Value* missing = a.Get(1, "default");
         if (key == nullptr) throw TemplateError{"get needs a key"};
         const Value* found = d.Find(*key);
         if (found != nullptr) return *found;
         return missing == nullptr ? Value(None{}) : *missing;
       }},
      {"copy", [](D d, A) { return Value(d); }},
  };
  return methods;
}

Value ListAttribute(const Value& value, const std::string& name) {
  const List& self = *value.AsList();
  if (self.is_group && name == "grouper") return self.items[0];
  if (self.is_group && name == "list") return self.items[1];
  if (value.IsGenerator() || (!self.view.empty() && !self.IsRange())) return Undefined{name};
  if (name == "copy" && !self.is_tuple && !self.IsRange()) {
    return Callable{name, [value](Interpreter&, const Arguments&) { return value; }};
  }
  if (name == "index" || name == "count") {
    return Callable{name, [value, name](Interpreter&, const Arguments& arguments) -> Value {
                      const Value* wanted = arguments.Get(0, "value");
                      if (wanted == nullptr) throw TemplateError{name + " needs a value"};
                      if (arguments.positional.size() > 1) {
                        throw TemplateError{name + " between places is not supported"};
                      }
                      int64_t position = 0, count = 0;
                      for (const Value& item : value.AsList()->items) {
                        if (Equal(item, *wanted)) {
                          if (name == "index") return position;
                          ++count;
                        }
                        ++position;
                      }
                      if (name == "index") throw TemplateError{"the value is not in the list"};
                      return count;
                    }};
  }
  for (const char* changing :
       {"append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"}) {
    if (name == changing) {
      throw TemplateError{"." + name + " would change a list, which templates must not"};
    }
  }
  return Undefined{name};
}

Value DictAttribute(const Value& value, const std::string& name) {
  const Dict& dict = *value.AsDict();
  for (const char* other : {"pop", "popitem", "setdefault", "update", "clear", "fromkeys"}) {
    if (name == other && !dict.is_namespace) {
      throw TemplateError{"." + name + " of a dict is not supported: templates change nothing"};
    }
  }
  const auto found = DictMethods().find(name);
  if (found == DictMethods().end() || dict.is_namespace) {
    const Value* entry = dict.Find(Value(name));
    return entry == nullptr ? Value(Undefined{name}) : *entry;
  }
  return Callable{
      name, [value, method = found->second](Interpreter& interpreter, const Arguments& arguments) {
        interpreter.Charge(value.AsDict()->items.size() * sizeof(Value));
        return method(*value.AsDict(), arguments);
      }};
}

Value CyclerAttribute(const std::shared_ptr<Cycler>& cycler, const std::string& name) {
  if (name == "current") return cycler->items[cycler->at];
  if (name == "next") {
    return Callable{name, [cycler](Interpreter&, const Arguments&) {
                      Value now = cycler->items[cycler->at];
                      cycler->at = (cycler->at + 1) % cycler->items.size();
                      return now;
                    }};
  }
  if (name == "reset") {
    return Callable{name, [cycler](Interpreter&, const Arguments&) {
                      cycler->at = 0;
                      return Value(None{});
                    }};
  }
  return Undefined{name};
}

Value NumberAttribute(const Value& value, const std::string& name) {
  if (name == "is_integer" && value.IsFloat()) {
    return Callable{name, [value](Interpreter&, const Arguments&) {
                      return Value(std::trunc(value.ToDouble()) == value.ToDouble());
                    }};
  }
  for (const char* other :
       {"real", "imag", "numerator", "denominator", "conjugate", "hex", "as_integer_ratio",
        "bit_length", "bit_count", "to_bytes", "is_integer", "from_bytes", "fromhex"}) {
    if (name == other) throw TemplateError{"." + name + " of a number is not supported"};
  }
  return Undefined{name};
}

}  // namespace

Value OwnAttribute(const Value& value, const std::string& name) {
  const Dict* dict = value.AsDict();
  if (dict == nullptr || dict->is_namespace) return Attribute(value, name);
  return DictMethods().contains(name) ? DictAttribute(value, name) : Value(Undefined{name});
}

Value Attribute(const Value& value, const std::string& name) {
  if (const auto* undefined = std::get_if<Undefined>(&value.data)) {
    throw TemplateError{"'" + undefined->name + "' is undefined"};
  }
  if (value.AsString() != nullptr) return TextAttribute(value, name);
  if (value.AsDict() != nullptr) return DictAttribute(value, name);
  if (value.AsList() != nullptr) return ListAttribute(value, name);
  if (const auto* loop = std::get_if<std::shared_ptr<const LoopState>>(&value.data)) {
    return LoopAttribute(*loop, name);
  }
  if (const auto* cycler = std::get_if<std::shared_ptr<Cycler>>(&value.data)) {
    return CyclerAttribute(*cycler, name);
  }
  if (value.IsNumber()) return NumberAttribute(value, name);
  if (const Callable* macro = value.AsCallable(); macro != nullptr && macro->is_macro) {
    if (name == "name") return macro->name;
    for (const char* other : {"arguments", "catch_kwargs", "catch_varargs", "caller"}) {
      if (name == other) throw TemplateError{"." + name + " of a macro is not supported"};
    }
  }
  return Undefined{name};
}

}  // namespace cohort::policy::jinja
