#include "policy/chat/jinja/methods.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "policy/chat/jinja/interpreter.h"
#include "policy/chat/jinja/loop.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {
namespace {

using TextMethod = Value (*)(const std::string& text, const Arguments& arguments);
using DictMethod = Value (*)(const Dict& dict, const Arguments& arguments);

std::optional<std::string_view> OptionalText(const Value* value) {
  if (value == nullptr || value->IsNone()) return std::nullopt;
  if (value->AsString() == nullptr) {
    throw TemplateError{std::string("expected text, found '") + value->TypeName() + "'"};
  }
  return *value->AsString();
}

std::string_view RequiredText(const Value* value) {
  const auto text = OptionalText(value);
  if (!text.has_value()) throw TemplateError{"a text is missing among the arguments"};
  return *text;
}

int64_t IntegerOr(const Value* value, int64_t missing) {
  return value == nullptr ? missing : value->ToInteger();
}

Value TextList(const std::vector<std::string>& texts) {
  List list;
  for (const std::string& text : texts) list.items.push_back(text);
  return list;
}

Value Split(const std::string& text, const Arguments& a) {
  const auto separator = OptionalText(a.Get(0, "sep"));
  if (separator.has_value() && separator->empty()) throw TemplateError{"an empty separator"};
  return TextList(PythonSplit(text, separator, IntegerOr(a.Get(1, "maxsplit"), -1)));
}

Value SplitFromRight(const std::string& text, const Arguments& a) {
  const std::string_view separator = RequiredText(a.Get(0, "sep"));
  if (separator.empty()) throw TemplateError{"an empty separator"};
  return TextList(PythonSplitFromRight(text, separator, IntegerOr(a.Get(1, "maxsplit"), -1)));
}

// text.startswith("a") or text.startswith(("a", "b")).
Value Affix(const std::string& text, const Arguments& a, bool at_start) {
  const auto fits = [&](const Value& value) {
    const std::string_view affix = RequiredText(&value);
    return at_start ? text.starts_with(affix) : text.ends_with(affix);
  };
  const Value* given = a.Get(0, "");
  if (given != nullptr && given->AsList() != nullptr) {
    for (const Value& value : given->AsList()->items) {
      if (fits(value)) return true;
    }
    return false;
  }
  if (given == nullptr) throw TemplateError{"a text is missing among the arguments"};
  return fits(*given);
}

// Position in code points, -1 when absent.
Value Find(const std::string& text, const Arguments& a, bool from_right) {
  const std::string_view wanted = RequiredText(a.Get(0, ""));
  const size_t at = from_right ? text.rfind(wanted) : text.find(wanted);
  if (at == std::string::npos) return int64_t{-1};
  return CountCodePoints(std::string_view(text).substr(0, at));
}

Value Index(const std::string& text, const Arguments& a, bool from_right) {
  const Value position = Find(text, a, from_right);
  if (position.ToInteger() < 0) throw TemplateError{"the text is not found"};
  return position;
}

// Padded with `fill` to so many characters, before and after by `sides`.
Value Pad(const std::string& text, const Arguments& a, StripSides sides) {
  constexpr int64_t kMaxWidth = 1'000'000;
  const Value* width = a.Get(0, "width");
  const Value* given = a.Get(1, "fillchar");
  if (width == nullptr || width->ToInteger() > kMaxWidth) {
    throw TemplateError{"expected a width up to " + std::to_string(kMaxWidth)};
  }
  const std::string fill(given == nullptr ? " " : RequiredText(given));
  if (CountCodePoints(fill) != 1) throw TemplateError{"the fill must be one character"};
  const int64_t missing = std::max<int64_t>(width->ToInteger() - CountCodePoints(text), 0);
  int64_t before = sides.left ? missing : 0;
  // Python's str.center: an odd one goes to the left when the width is odd.
  if (sides.left && sides.right) before = missing / 2 + (missing & width->ToInteger() & 1);
  std::string out;
  for (int64_t i = 0; i < before; ++i) out += fill;
  out += text;
  for (int64_t i = before; i < missing; ++i) out += fill;
  return out;
}

Value ZeroFill(const std::string& text, const Arguments& a) {
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  Arguments pad = a;
  if (pad.positional.size() != 1) throw TemplateError{"zfill needs a width"};
  pad.positional[0] = pad.positional[0].ToInteger() - static_cast<int64_t>(sign);
  pad.positional.emplace_back("0");
  const Value padded = Pad(text.substr(sign), pad, {true, false});
  return text.substr(0, sign) + *padded.AsString();
}

// (before, separator, after).
Value Partition(const std::string& text, const Arguments& a, bool from_right) {
  const std::string separator(RequiredText(a.Get(0, "sep")));
  if (separator.empty()) throw TemplateError{"an empty separator"};
  const size_t at = from_right ? text.rfind(separator) : text.find(separator);
  if (at == std::string::npos) {
    return from_right ? List{{"", "", text}, /*is_tuple=*/true}
                      : List{{text, "", ""}, /*is_tuple=*/true};
  }
  return List{{text.substr(0, at), separator, text.substr(at + separator.size())},
              /*is_tuple=*/true};
}

Value Count(const std::string& text, const Arguments& a) {
  const std::string_view wanted = RequiredText(a.Get(0, ""));
  if (wanted.empty()) return CountCodePoints(text) + 1;
  int64_t count = 0;
  for (size_t at = text.find(wanted); at != std::string::npos;
       at = text.find(wanted, at + wanted.size())) {
    ++count;
  }
  return count;
}

Value RemoveAffix(const std::string& text, const Arguments& a, bool at_start) {
  const std::string_view affix = RequiredText(a.Get(0, ""));
  const bool present = at_start ? text.starts_with(affix) : text.ends_with(affix);
  if (!present) return text;
  return text.substr(at_start ? affix.size() : 0, text.size() - affix.size());
}

const std::map<std::string_view, TextMethod>& TextMethods() {
  using S = const std::string&;
  using A = const Arguments&;
  static const std::map<std::string_view, TextMethod> methods = {
      {"strip", [](S s, A a) { return Value(PythonStrip(s, OptionalText(a.Get(0, "chars")))); }},
      {"lstrip",
       [](S s, A a) {
         return Value(PythonStrip(s, OptionalText(a.Get(0, "chars")), {true, false}));
       }},
      {"rstrip",
       [](S s, A a) {
         return Value(PythonStrip(s, OptionalText(a.Get(0, "chars")), {false, true}));
       }},
      {"split", Split},
      {"rsplit", SplitFromRight},
      {"splitlines",
       [](S s, A a) {
         const Value* keep = a.Get(0, "keepends");
         return TextList(PythonSplitLines(s, keep != nullptr && keep->Truth()));
       }},
      {"upper", [](S s, A) { return Value(PythonUpper(s)); }},
      {"lower", [](S s, A) { return Value(PythonLower(s)); }},
      {"capitalize", [](S s, A) { return Value(PythonCapitalize(s)); }},
      {"title", [](S s, A) { return Value(PythonTitle(s)); }},
      {"startswith", [](S s, A a) { return Affix(s, a, true); }},
      {"endswith", [](S s, A a) { return Affix(s, a, false); }},
      {"removeprefix", [](S s, A a) { return RemoveAffix(s, a, true); }},
      {"removesuffix", [](S s, A a) { return RemoveAffix(s, a, false); }},
      {"find", [](S s, A a) { return Find(s, a, false); }},
      {"rfind", [](S s, A a) { return Find(s, a, true); }},
      {"index", [](S s, A a) { return Index(s, a, false); }},
      {"rindex", [](S s, A a) { return Index(s, a, true); }},
      {"partition", [](S s, A a) { return Partition(s, a, false); }},
      {"rpartition", [](S s, A a) { return Partition(s, a, true); }},
      {"ljust",
       [](S s, A a) {
         return Pad(s, a, {false, true});
       }},
      {"rjust",
       [](S s, A a) {
         return Pad(s, a, {true, false});
       }},
      {"center",
       [](S s, A a) {
         return Pad(s, a, {true, true});
       }},
      {"zfill", ZeroFill},
      {"count", Count},
      {"isdigit", [](S s, A) { return Value(AllDigits(s)); }},
      {"isnumeric", [](S s, A) { return Value(AllDigits(s)); }},
      {"isalpha", [](S s, A) { return Value(AllLetters(s)); }},
      {"isspace", [](S s, A) { return Value(AllSpaces(s)); }},
      {"isupper", [](S s, A) { return Value(PythonUpper(s) == s && PythonLower(s) != s); }},
      {"islower", [](S s, A) { return Value(PythonLower(s) == s && PythonUpper(s) != s); }},
  };
  return methods;
}

Value Items(const Dict& dict, const Arguments&) {
  List list;
  for (const auto& [key, item] : dict.items) {
    list.items.push_back(List{{Value(key), item}, /*is_tuple=*/true});
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
         for (const auto& [key, item] : d.items) list.items.push_back(key);
         return Value(std::move(list));
       }},
      {"values",
       [](D d, A) {
         List list;
         for (const auto& [key, item] : d.items) list.items.push_back(item);
         return Value(std::move(list));
       }},
      {"get",
       [](D d, A a) {
         const Value* key = a.Get(0, "key");
         const Value* missing = a.Get(1, "default");
         if (key == nullptr) throw TemplateError{"get needs a key"};
         const Value* found = key->AsString() == nullptr ? nullptr : d.Find(*key->AsString());
         if (found != nullptr) return *found;
         return missing == nullptr ? Value(None{}) : *missing;
       }},
      {"copy", [](D d, A) { return Value(d); }},
  };
  return methods;
}

Value JoinTexts(Interpreter& interpreter, const std::string& separator, const Arguments& a) {
  const Value* values = a.Get(0, "");
  if (values == nullptr) throw TemplateError{"join needs a list"};
  std::string out;
  bool first = true;
  for (const Value& value : interpreter.Iterate(*values)) {
    if (!std::exchange(first, false)) out += separator;
    out += RequiredText(&value);
  }
  return interpreter.Charged(std::move(out));
}

Value ReplaceText(Interpreter& interpreter, const std::string& text, const Arguments& a) {
  const std::string_view from = RequiredText(a.Get(0, "old")), to = RequiredText(a.Get(1, "new"));
  interpreter.Charge(text.size() + text.size() / std::max<size_t>(from.size(), 1) * to.size());
  return PythonReplace(text, from, to, IntegerOr(a.Get(2, "count"), -1));
}

Value TextAttribute(const Value& value, const std::string& name) {
  if (name == "join") {
    return Callable{name, [value](Interpreter& interpreter, const Arguments& arguments) {
                      return JoinTexts(interpreter, *value.AsString(), arguments);
                    }};
  }
  if (name == "replace") {
    return Callable{name, [value](Interpreter& interpreter, const Arguments& arguments) {
                      return ReplaceText(interpreter, *value.AsString(), arguments);
                    }};
  }
  const auto found = TextMethods().find(name);
  if (found == TextMethods().end()) return Undefined{name};
  return Callable{
      name, [value, method = found->second](Interpreter& interpreter, const Arguments& arguments) {
        interpreter.Charge(value.AsString()->size());
        return method(*value.AsString(), arguments);
      }};
}

Value ListAttribute(const Value& value, const std::string& name) {
  if (name == "index" || name == "count") {
    return Callable{name, [value, name](Interpreter&, const Arguments& arguments) -> Value {
                      const Value* wanted = arguments.Get(0, "value");
                      if (wanted == nullptr) throw TemplateError{name + " needs a value"};
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
  const auto found = DictMethods().find(name);
  if (found == DictMethods().end() || dict.is_namespace) {
    const Value* entry = dict.Find(name);
    return entry == nullptr ? Value(Undefined{name}) : *entry;
  }
  return Callable{
      name, [value, method = found->second](Interpreter& interpreter, const Arguments& arguments) {
        interpreter.Charge(value.AsDict()->items.size() * sizeof(Value));
        return method(*value.AsDict(), arguments);
      }};
}

}  // namespace

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
  return Undefined{name};
}

}  // namespace cohort::policy::jinja
