// Python's str, repr and json.dumps of template values.

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "policy/chat/jinja/big_integer.h"
#include "policy/chat/jinja/loop.h"
#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {
namespace {

// Shortest digits that read back the same; exponent form outside 1e-4 .. 1e16, as Python writes it.
std::string FloatText(double value, bool json) {
  if (std::isnan(value)) return json ? "NaN" : "nan";
  if (std::isinf(value)) return std::string(value < 0 ? "-" : "") + (json ? "Infinity" : "inf");
  const double size = std::fabs(value);
  const bool exponent = size != 0 && (size < 1e-4 || size >= 1e16);
  char digits[512];
  const auto end =
      std::to_chars(digits, digits + sizeof(digits), value,
                    exponent ? std::chars_format::scientific : std::chars_format::fixed);
  std::string text(digits, end.ptr);
  if (!exponent && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string HexEscape(const char* prefix, uint32_t value, int digits) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text = prefix;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) text += kHex[(value >> shift) & 0xF];
  return text;
}

std::string QuotePython(const std::string& text) {
  const bool double_quotes =
      text.find('\'') != std::string::npos && text.find('"') == std::string::npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (size_t i = 0; i < text.size();) {
    const base::CodePoint point = base::DecodeUtf8(text, i);
    if (point.value == '\n') {
      out += "\\n";
    } else if (point.value == '\r') {
      out += "\\r";
    } else if (point.value == '\t') {
      out += "\\t";
    } else if (point.value == '\\' || point.value == static_cast<uint32_t>(quote)) {
      out += '\\';
      out += text[i];
    } else if (point.value < 0x20 || (point.value >= 0x7F && point.value <= 0xA0) ||
               point.value == 0xAD) {
      out += HexEscape("\\x", point.value, 2);
    } else if (point.value != ' ' && point.value < 0x10000 && base::IsPythonSpace(point.value)) {
      out += HexEscape("\\u", point.value, 4);
    } else {
      out.append(text, i, point.length);
    }
    i += point.length;
  }
  return out + quote;
}

std::string QuoteJson(const std::string& text, bool ascii) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const base::CodePoint point = base::DecodeUtf8(text, i);
    const uint32_t c = point.value;
    static constexpr std::string_view kShort = "\b\f\n\r\t", kLetters = "bfnrt";
    if (c == '"' || c == '\\') {
      out += '\\';
      out += text[i];
    } else if (c < 0x20) {
      const size_t known = kShort.find(static_cast<char>(c));
      out += known == std::string_view::npos ? HexEscape("\\u", c, 4)
                                             : std::string("\\") + kLetters[known];
    } else if (ascii && c >= 0x10000 && c <= 0x10FFFF) {
      out += HexEscape("\\u", 0xD800 + ((c - 0x10000) >> 10), 4);
      out += HexEscape("\\u", 0xDC00 + ((c - 0x10000) & 0x3FF), 4);
    } else if (ascii && c >= 0x7F) {
      out += HexEscape("\\u", c & 0xFFFF, 4);
    } else {
      out.append(text, i, point.length);
    }
    i += point.length;
  }
  return out + "\"";
}

void CheckDepth(int depth) {
  if (depth > kMaxNesting) throw TemplateError{"a value is nested too deeply to be printed"};
}

std::string ReprAt(const Value& value, int depth) {
  CheckDepth(depth);
  std::string out;
  if (const std::string* text = value.AsString()) {
    return value.is_markup ? "Markup(" + QuotePython(*text) + ")" : QuotePython(*text);
  }
  if (value.IsGenerator()) {
    throw TemplateError{
        "a generator is printed, for which Python would write an address: use |list"};
  }
  if (const List* list = value.AsList()) {
    if (list->IsRange()) return list->view;
    for (const Value& item : list->items) {
      out += (out.empty() ? "" : ", ") + ReprAt(item, depth + 1);
    }
    if (!list->view.empty()) return list->view + "([" + out + "])";
    if (!list->is_tuple) return "[" + out + "]";
    return "(" + out + (list->items.size() == 1 ? ",)" : ")");
  }
  if (const Dict* dict = value.AsDict()) {
    for (const auto& [key, item] : dict->items) {
      out += (out.empty() ? "" : ", ") + ReprAt(key, depth + 1) + ": " + ReprAt(item, depth + 1);
    }
    return dict->is_namespace ? "<Namespace {" + out + "}>" : "{" + out + "}";
  }
  if (value.IsUndefined()) return "Undefined";
  return ToText(value);
}

struct JsonPrinter {
  const JsonStyle& style;
  std::string out;

  void NewLine(int depth) {
    if (!style.indent.has_value()) return;
    out += '\n';
    for (int i = 0; i < depth; ++i) out += *style.indent;
  }

  void Print(const Value& value, int depth) {
    CheckDepth(depth);
    if (const std::string* text = value.AsString()) {
      out += QuoteJson(*text, style.ascii);
    } else if (const List* list = value.AsList();
               list != nullptr && !value.IsGenerator() && list->view.empty()) {
      PrintList(*list, depth);
    } else if (const Dict* dict = value.AsDict()) {
      PrintDict(*dict, depth);
    } else if (value.IsNone()) {
      out += "null";
    } else if (value.IsBool()) {
      out += value.Truth() ? "true" : "false";
    } else if (value.IsFloat()) {
      out += FloatText(value.ToDouble(), /*json=*/true);
    } else if (value.IsInteger() || value.IsBig()) {
      out += IntegerText(value);
    } else {
      throw TemplateError{std::string("'") + value.TypeName() + "' cannot be written as JSON"};
    }
  }

  void PrintList(const List& list, int depth) {
    if (list.items.empty()) {
      out += "[]";
      return;
    }
    out += '[';
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out += style.item_separator;
      NewLine(depth + 1);
      Print(list.items[i], depth + 1);
    }
    NewLine(depth);
    out += ']';
  }

  static std::string KeyText(const Value& key) {
    if (key.AsString() != nullptr) return *key.AsString();
    if (key.IsNone()) return "null";
    if (key.IsBool()) return key.Truth() ? "true" : "false";
    if (key.IsFloat()) return FloatText(key.ToDouble(), /*json=*/true);
    if (key.IsNumber()) return IntegerText(key);
    throw TemplateError{std::string("a ") + key.TypeName() + " cannot be the key of a JSON object"};
  }

  void PrintDict(const Dict& dict, int depth) {
    if (dict.items.empty()) {
      out += "{}";
      return;
    }
    auto items = dict.items;
    if (style.sort_keys) {
      std::sort(items.begin(), items.end(),
                [](const auto& a, const auto& b) { return Compare(a.first, b.first) < 0; });
    }
    out += '{';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += style.item_separator;
      NewLine(depth + 1);
      out += QuoteJson(KeyText(items[i].first), style.ascii) + style.key_separator;
      Print(items[i].second, depth + 1);
    }
    NewLine(depth);
    out += '}';
  }
};

}  // namespace

std::string Repr(const Value& value) { return ReprAt(value, 0); }

std::string AsciiRepr(const Value& value) {
  const std::string text = Repr(value);
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const base::CodePoint point = base::DecodeUtf8(text, i);
    if (point.value < 0x80) {
      out += text[i];
    } else if (point.value < 0x100) {
      out += HexEscape("\\x", point.value, 2);
    } else {
      out += point.value < 0x10000 ? HexEscape("\\u", point.value, 4)
                                   : HexEscape("\\U", point.value, 8);
    }
    i += point.length;
  }
  return out;
}

std::string ToText(const Value& value) {
  if (const std::string* text = value.AsString()) return *text;
  if (value.IsUndefined()) return "";
  if (value.IsNone()) return "None";
  if (value.IsBool()) return value.Truth() ? "True" : "False";
  if (value.IsInteger() || value.IsBig()) return IntegerText(value);
  if (value.IsFloat()) return FloatText(value.ToDouble(), /*json=*/false);
  if (const LoopState* loop = value.AsLoop()) {
    return "<LoopContext " + std::to_string(loop->index0 + 1) + "/" +
           std::to_string(loop->items.size()) + ">";
  }
  if (value.AsCycler() != nullptr) {
    throw TemplateError{"a cycler is printed, for which Python would write an address"};
  }
  if (const Callable* callable = value.AsCallable()) {
    if (callable->is_macro) return "<Macro " + Repr(Value(callable->name)) + ">";
    throw TemplateError{"the function '" + callable->name +
                        "' is printed, for which Python would write an address: call it with ()"};
  }
  return ReprAt(value, 0);
}

std::string ToJsonText(const Value& value, const JsonStyle& style) {
  JsonPrinter printer{style, ""};
  printer.Print(value, 0);
  return std::move(printer.out);
}

}  // namespace cohort::policy::jinja
