#include "reward/structured/python_calls.h"

#include <cctype>
#include <charconv>

#include "base/utf8.h"
#include "reward/structured/json_order.h"
#include "reward/structured/json_text.h"

namespace cohort::reward {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 100;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<std::vector<ToolCall>> Calls() {
    std::vector<ToolCall> calls;
    const bool listed = Take('[');
    while (true) {
      auto call = Call();
      if (!call) return std::nullopt;
      calls.push_back(std::move(*call));
      const bool more = Take(',') || Take(';');
      if (listed && Take(']')) break;
      if (listed && !more) return std::nullopt;
      if (!listed && AtEnd()) break;
    }
    if (!AtEnd()) return std::nullopt;
    return calls;
  }

 private:
  void SkipSpace() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool AtEnd() {
    SkipSpace();
    return at_ == text_.size();
  }
  char Peek() {
    SkipSpace();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Take(char c) {
    if (Peek() != c || c == '\0') return false;
    ++at_;
    return true;
  }

  // Letters, digits and `more`; a name does not begin with a digit.
  std::string Name(std::string_view more) {
    SkipSpace();
    const size_t from = at_;
    const auto is_part = [&](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '_' ||
             static_cast<unsigned char>(c) >= 0x80 || more.find(c) != std::string_view::npos;
    };
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) return "";
    while (at_ < text_.size() && is_part(text_[at_])) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }

  std::optional<ToolCall> Call() {
    ToolCall call = {Name("."), json::object()};
    if (call.name.empty() || !Take('(')) return std::nullopt;
    while (!Take(')')) {
      const std::string name = Name("");
      if (name.empty() || !Take('=') || call.arguments.contains(name)) return std::nullopt;
      auto value = Value(0);
      if (!value) return std::nullopt;
      call.arguments[name] = std::move(*value);
      if (!Take(',') && Peek() != ')') return std::nullopt;
    }
    return call;
  }

  std::optional<json> Value(int depth) {
    if (depth > kMaxDepth) return std::nullopt;
    const char c = Peek();
    if (c == '"' || c == '\'') return Text();
    if (c == '[' || c == '(') return List(depth, c == '[' ? ']' : ')');
    if (c == '{') return Dict(depth);
    if (c == '-' || c == '+' || c == '.' || std::isdigit(static_cast<unsigned char>(c))) {
      return Number();
    }
    const std::string word = Name("");
    if (word == "True" || word == "true") return json(true);
    if (word == "False" || word == "false") return json(false);
    if (word == "None" || word == "null") return json(nullptr);
    return std::nullopt;
  }

  std::optional<json> List(int depth, char close) {
    ++at_;
    json list = json::array();
    while (!Take(close)) {
      auto value = Value(depth + 1);
      if (!value) return std::nullopt;
      list.push_back(std::move(*value));
      if (!Take(',') && Peek() != close) return std::nullopt;
    }
    return list;
  }

  std::optional<json> Dict(int depth) {
    ++at_;
    json dict = json::object();
    while (!Take('}')) {
      if (Peek() != '"' && Peek() != '\'') return std::nullopt;
      const auto key = Text();
      if (!key || !Take(':')) return std::nullopt;
      auto value = Value(depth + 1);
      if (!value) return std::nullopt;
      dict[key->get<std::string>()] = std::move(*value);
      if (!Take(',') && Peek() != '}') return std::nullopt;
    }
    return dict;
  }

  std::optional<json> Number() {
    const size_t from = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) ||
            std::string_view("+-._").find(text_[at_]) != std::string_view::npos)) {
      ++at_;
    }
    std::string digits;
    for (const char c : text_.substr(from, at_ - from)) {
      if (c != '_') digits += c;  // 1_000
    }
    if (digits.starts_with('+')) digits.erase(0, 1);
    if (digits.starts_with('.')) digits.insert(0, "0");
    if (digits.starts_with("-.")) digits.insert(1, "0");
    if (digits.ends_with('.')) digits += '0';
    const json number = ParseJsonText(digits).value_or(nullptr);
    if (!IsNumber(number)) return std::nullopt;
    return number;
  }

  std::optional<json> Text() {
    const char quote = text_[at_];
    const std::string_view thrice = text_.substr(at_, 3);
    const bool is_long = thrice.size() == 3 && thrice[1] == quote && thrice[2] == quote;
    const std::string close(is_long ? 3 : 1, quote);
    at_ += close.size();
    std::string value;
    while (text_.substr(at_, close.size()) != close) {
      if (at_ >= text_.size() || (!is_long && text_[at_] == '\n')) return std::nullopt;
      if (text_[at_] != '\\') {
        value += text_[at_++];
      } else if (!Escape(&value)) {
        return std::nullopt;
      }
    }
    at_ += close.size();
    if (!base::IsValidUtf8(value)) return std::nullopt;
    return json(std::move(value));
  }

  bool Escape(std::string* value) {
    if (++at_ >= text_.size()) return false;
    const char c = text_[at_++];
    constexpr std::string_view kNames = "ntrbf0", kValues("\n\t\r\b\f\0", 6);
    if (const size_t known = kNames.find(c); known != std::string_view::npos) {
      *value += kValues[known];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t count = c == 'x' ? 2 : (c == 'u' ? 4 : 8);
      uint32_t code = 0;
      const std::string_view digits = text_.substr(at_, count);
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
      if (error != std::errc() || digits.size() != count || end != digits.data() + count) {
        return false;
      }
      at_ += count;
      base::AppendUtf8(code, value);
    } else if (c != '\n') {
      if (c != '\\' && c != '\'' && c != '"') *value += '\\';  // as Python reads "\d"
      *value += c;
    }
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::optional<std::vector<ToolCall>> ReadPythonCalls(std::string_view text) {
  constexpr size_t kMaxBytes = size_t{1} << 20;
  if (text.size() > kMaxBytes) return std::nullopt;
  return Parser(text).Calls();
}

}  // namespace cohort::reward
