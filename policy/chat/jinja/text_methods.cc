#include "policy/chat/jinja/text_methods.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>

#include "base/utf8.h"
#include "policy/chat/jinja/interpreter.h"
#include "policy/chat/jinja/markup.h"
#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {
namespace {

using TextMethod = Value (*)(const std::string& text, const Arguments& arguments);

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
  const auto separator = OptionalText(a.Get(0, "sep"));
  if (separator.has_value() && separator->empty()) throw TemplateError{"an empty separator"};
  return TextList(PythonSplitFromRight(text, separator, IntegerOr(a.Get(1, "maxsplit"), -1)));
}

// The bytes of text[start:end], as the last two arguments of find, count, startswith and so on say.
struct Window {
  size_t begin = 0, end = 0;
  bool exists = true;  // start is not behind the text's end or the window's
};

Window WindowOf(const std::string& text, const Arguments& a) {
  const auto given = [&](size_t index) {
    const Value* value = a.Get(index, "");
    return value == nullptr || value->IsNone() ? nullptr : value;
  };
  Window window{0, text.size()};
  if (given(1) == nullptr && given(2) == nullptr) return window;
  std::vector<size_t> offsets;
  for (size_t i = 0; i < text.size(); i += base::DecodeUtf8(text, i).length) offsets.push_back(i);
  offsets.push_back(text.size());
  const int64_t length = static_cast<int64_t>(offsets.size()) - 1;
  const auto place = [&](const Value* value, int64_t missing) {
    if (value == nullptr) return missing;
    const int64_t index = value->ToInteger();
    return index < 0 ? std::max<int64_t>(index + length, 0) : index;
  };
  const int64_t start = place(given(1), 0), end = std::min(place(given(2), length), length);
  window.exists = start <= end;
  window.begin = offsets[static_cast<size_t>(std::min(start, length))];
  window.end = offsets[static_cast<size_t>(end)];
  return window;
}

// text.startswith("a") or text.startswith(("a", "b")).
Value Affix(const std::string& whole, const Arguments& a, bool at_start) {
  const Window window = WindowOf(whole, a);
  const auto fits = [&](const Value& value) {
    const std::string_view affix = RequiredText(&value);
    if (!window.exists) return false;
    const std::string_view text = std::string_view(whole).substr(
        window.begin, std::max(window.begin, window.end) - window.begin);
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
  const Window window = WindowOf(text, a);
  if (!window.exists) return int64_t{-1};
  const std::string_view part =
      std::string_view(text).substr(window.begin, window.end - window.begin);
  const size_t at = from_right ? part.rfind(wanted) : part.find(wanted);
  if (at == std::string::npos) return int64_t{-1};
  return CountCodePoints(std::string_view(text).substr(0, window.begin + at));
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
  const Window window = WindowOf(text, a);
  if (!window.exists) return int64_t{0};
  const std::string_view part =
      std::string_view(text).substr(window.begin, window.end - window.begin);
  if (wanted.empty()) return CountCodePoints(part) + 1;
  int64_t count = 0;
  for (size_t at = part.find(wanted); at != std::string::npos;
       at = part.find(wanted, at + wanted.size())) {
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

Value ExpandTabs(const std::string& text, const Arguments& a) {
  const int64_t size = std::clamp<int64_t>(IntegerOr(a.Get(0, "tabsize"), 8), 0, 1000);
  std::string out;
  int64_t column = 0;
  for (const std::string& character : Characters(text)) {
    if (character == "\t") {
      const int64_t spaces = size == 0 ? 0 : size - column % size;
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
    } else {
      out += character;
      column = character == "\n" || character == "\r" ? 0 : column + 1;
    }
  }
  return out;
}

// Digits that are none of category Nd, such as raised ones, are not told from other numbers here.
Value IsDigitText(const std::string& text) {
  if (!AllDecimal(text) && AllNumbers(text)) {
    throw TemplateError{"isdigit of numbers that are not decimal digits is not supported"};
  }
  return AllDecimal(text);
}

Value IsNumericText(const std::string& text) { return AllNumbers(text); }

// Arguments of Python's methods; those that are not here take nothing.
void CheckMethodArguments(std::string_view name, const Arguments& arguments) {
  struct Takes {
    std::string_view name;
    size_t most;
    std::string_view keywords = "";
  };
  static constexpr Takes kTakes[] = {{"strip", 1},
                                     {"lstrip", 1},
                                     {"rstrip", 1},
                                     {"startswith", 3},
                                     {"endswith", 3},
                                     {"removeprefix", 1},
                                     {"find", 3},
                                     {"rfind", 3},
                                     {"removesuffix", 1},
                                     {"index", 3},
                                     {"rindex", 3},
                                     {"count", 3},
                                     {"partition", 1},
                                     {"rpartition", 1},
                                     {"zfill", 1},
                                     {"ljust", 2},
                                     {"rjust", 2},
                                     {"center", 2},
                                     {"split", 2, "sep maxsplit"},
                                     {"rsplit", 2, "sep maxsplit"},
                                     {"expandtabs", 1, "tabsize"},
                                     {"splitlines", 1, "keepends"}};
  const auto found = std::find_if(std::begin(kTakes), std::end(kTakes),
                                  [&](const Takes& takes) { return takes.name == name; });
  const Takes takes = found == std::end(kTakes) ? Takes{name, 0} : *found;
  if (arguments.positional.size() + arguments.keywords.size() > takes.most) {
    throw TemplateError{std::string(name) + "() takes at most " + std::to_string(takes.most) +
                        " arguments"};
  }
  for (const auto& [keyword, unused] : arguments.keywords) {
    const std::string among = " " + std::string(takes.keywords) + " ";
    if (among.find(" " + keyword + " ") == std::string::npos) {
      throw TemplateError{std::string(name) + "() has no argument '" + keyword + "'"};
    }
  }
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
      {"casefold", [](S s, A) { return Value(PythonCaseFold(s)); }},
      {"swapcase", [](S s, A) { return Value(PythonSwapCase(s)); }},
      {"expandtabs", ExpandTabs},
      {"isdigit", [](S s, A) { return Value(IsDigitText(s)); }},
      {"isnumeric", [](S s, A) { return Value(IsNumericText(s)); }},
      {"isdecimal", [](S s, A) { return Value(AllDecimal(s)); }},
      {"isalpha", [](S s, A) { return Value(AllLetters(s)); }},
      {"isalnum", [](S s, A) { return Value(AllAlphanumeric(s)); }},
      {"isspace", [](S s, A) { return Value(AllSpaces(s)); }},
      {"isascii",
       [](S s, A) {
         return Value(std::all_of(s.begin(), s.end(),
                                  [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
       }},
      {"istitle", [](S s, A) { return Value(PythonTitle(s) == s && PythonLower(s) != s); }},
      {"isupper", [](S s, A) { return Value(PythonUpper(s) == s && PythonLower(s) != s); }},
      {"islower", [](S s, A) { return Value(PythonLower(s) == s && PythonUpper(s) != s); }},
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

// A text's arguments to a method of HTML are escaped, but not the separators that it is split by.
Arguments ForMarkup(const std::string& name, Arguments arguments) {
  constexpr std::string_view kLiteral[] = {
      "split", "rsplit",     "partition", "rpartition",   "find",        "rfind",
      "index", "rindex",     "count",     "strip",        "lstrip",      "rstrip",
      "join",  "startswith", "endswith",  "removeprefix", "removesuffix"};
  if (std::find(std::begin(kLiteral), std::end(kLiteral), name) != std::end(kLiteral)) {
    return arguments;
  }
  const bool only_new = name == "replace";
  for (size_t i = only_new ? 1 : 0; i < arguments.positional.size(); ++i) {
    Value& value = arguments.positional[i];
    if (value.AsString() != nullptr) value = EscapedText(value);
  }
  for (auto& [keyword, value] : arguments.keywords) {
    if (value.AsString() != nullptr && !(only_new && keyword == "old")) value = EscapedText(value);
  }
  return arguments;
}

// A method of an HTML text returns HTML.
Value MarkupMethod(const Value& value, const std::string& name, const Value& plain) {
  if (name == "unescape" || name == "striptags") {
    throw TemplateError{"the method '" + name + "' of an HTML text is not supported"};
  }
  return Callable{name, [value, name, plain](Interpreter& interpreter, const Arguments& arguments) {
                    if (name == "join") {
                      const Value* values = arguments.Get(0, "");
                      if (values == nullptr) throw TemplateError{"join needs a list"};
                      List escaped;
                      for (const Value& item : interpreter.Iterate(*values)) {
                        escaped.items.push_back(EscapedText(item));
                      }
                      return AsMarkup(interpreter.Call(plain, {{Value(std::move(escaped))}, {}}));
                    }
                    return AsMarkup(interpreter.Call(plain, ForMarkup(name, arguments)));
                  }};
}

}  // namespace

Value TextAttribute(const Value& value, const std::string& name) {
  if (value.is_markup) {
    const Value plain = TextAttribute(Value(*value.AsString()), name);
    return plain.AsCallable() == nullptr && name != "unescape" && name != "striptags"
               ? plain
               : MarkupMethod(value, name, plain);
  }
  if (name == "format") {
    return Callable{name, [value](Interpreter& interpreter, const Arguments& arguments) {
                      return Value(interpreter.Charged(FormatBraces(*value.AsString(), arguments)));
                    }};
  }
  for (const char* unsupported :
       {"encode", "translate", "maketrans", "format_map", "isidentifier", "isprintable"}) {
    if (name == unsupported) {
      throw TemplateError{"the method '" + name + "' of texts is not supported"};
    }
  }
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
  return Callable{name, [value, name, method = found->second](Interpreter& interpreter,
                                                              const Arguments& arguments) {
                    CheckMethodArguments(name, arguments);
                    interpreter.Charge(value.AsString()->size());
                    return method(*value.AsString(), arguments);
                  }};
}

}  // namespace cohort::policy::jinja
