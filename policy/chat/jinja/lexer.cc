#include "policy/chat/jinja/lexer.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/error.h"
#include "base/utf8.h"
#include "policy/chat/jinja/string_literal.h"

namespace cohort::policy::jinja {
namespace {

bool IsNameByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Python's universal newlines, and the one newline at the end that Jinja2 drops.
std::string NormalizeNewlines(const std::string& source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void StripRight(std::string* text) {
  while (!text->empty()) {
    size_t begin = text->size() - 1;
    while (begin > 0 && (static_cast<uint8_t>((*text)[begin]) & 0xC0) == 0x80) --begin;
    if (!base::IsPythonSpace(base::DecodeUtf8(*text, begin).value)) return;
    text->resize(begin);
  }
}

class TemplateLexer {
 public:
  explicit TemplateLexer(const std::string& source) : text_(NormalizeNewlines(source)) {}

  std::vector<TemplateToken> Run() {
    while (position_ < text_.size()) {
      const size_t tag = FindTag();
      if (tag == std::string::npos) {
        AddData(text_.substr(position_));
        position_ = text_.size();
        break;
      }
      ReadTag(tag);
    }
    tokens_.push_back({TemplateTokenKind::kEnd, "", line_});
    return std::move(tokens_);
  }

 private:
  bool At(std::string_view what) const { return text_.compare(position_, what.size(), what) == 0; }
  char Peek(size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }

  void Advance(size_t count) {
    count = std::min(count, text_.size() - position_);
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<ptrdiff_t>(position_),
                                         text_.begin() + static_cast<ptrdiff_t>(position_ + count),
                                         '\n'));
    position_ += count;
    if (count > 0) line_start_ = text_[position_ - 1] == '\n';
  }

  void AddData(const std::string& data) {
    if (!data.empty()) tokens_.push_back({TemplateTokenKind::kData, data, line_});
  }

  size_t FindTag() const {
    for (size_t at = text_.find('{', position_); at != std::string::npos;
         at = text_.find('{', at + 1)) {
      if (at + 1 < text_.size() &&
          std::string_view("%{#").find(text_[at + 1]) != std::string::npos) {
        return at;
      }
    }
    return std::string::npos;
  }

  // The text before a tag, after what the tag's sign and lstrip_blocks take off its end.
  void AddDataBefore(size_t tag) {
    std::string data = text_.substr(position_, tag - position_);
    const char sign = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
    if (sign == '-') {
      StripRight(&data);
    } else if (sign != '+' && text_[tag + 1] != '{' && !data.empty()) {
      const size_t line_begin = data.rfind('\n') + 1;  // npos + 1 == 0
      const bool begins_line = line_begin > 0 || line_start_;
      std::string rest = data.substr(line_begin);
      StripRight(&rest);
      if (begins_line && rest.empty()) data.resize(line_begin);
    }
    AddData(data);
    Advance(tag - position_);
  }

  void ReadTag(size_t tag) {
    AddDataBefore(tag);
    const char kind = Peek(1);
    const int begin_line = line_;
    Advance(2);
    if (Peek() == '-' || Peek() == '+') Advance(1);
    if (kind == '#') return SkipComment(begin_line);
    if (kind == '%' && ReadRaw(begin_line)) return;
    tokens_.push_back(
        {kind == '%' ? TemplateTokenKind::kBlockBegin : TemplateTokenKind::kPrintBegin, "", line_});
    ReadInside(kind == '%' ? "%}" : "}}", begin_line);
  }

  // The end of a block or comment at `position_`: sign, mark, and the newline that trim_blocks
  // takes.
  void PassEnd(bool strips, size_t mark_bytes, bool trims_newline) {
    Advance(mark_bytes);
    if (strips) {
      while (position_ < text_.size() &&
             base::IsPythonSpace(base::DecodeUtf8(text_, position_).value)) {
        Advance(base::DecodeUtf8(text_, position_).length);
      }
    } else if (trims_newline && Peek() == '\n') {
      Advance(1);
    }
  }

  void SkipComment(int begin_line) {
    const size_t end = text_.find("#}", position_);
    if (end == std::string::npos) RefuseTemplate(begin_line, "a comment {# is never closed by #}");
    const char sign = end > position_ ? text_[end - 1] : '\0';
    Advance(end - position_);
    PassEnd(sign == '-', 2, sign != '+');
  }

  bool ReadRaw(int begin_line) {
    size_t at = position_;
    const auto skip_spaces = [&] {
      while (at < text_.size() && std::isspace(static_cast<unsigned char>(text_[at])) != 0) ++at;
    };
    skip_spaces();
    if (text_.compare(at, 3, "raw") != 0) return false;
    at += 3;
    skip_spaces();
    const bool strips = at < text_.size() && text_[at] == '-';
    if (text_.compare(at + (strips ? 1 : 0), 2, "%}") != 0) return false;
    Advance(at + (strips ? 1 : 0) - position_);
    PassEnd(strips, 2, /*trims_newline=*/false);
    for (size_t tag = text_.find("{%", position_); tag != std::string::npos;
         tag = text_.find("{%", tag + 2)) {
      at = tag + 2;
      if (at < text_.size() && (text_[at] == '-' || text_[at] == '+')) ++at;
      skip_spaces();
      if (text_.compare(at, 6, "endraw") != 0) continue;
      at += 6;
      skip_spaces();
      const char sign = at < text_.size() ? text_[at] : '\0';
      if (sign == '-' || sign == '+') ++at;
      if (text_.compare(at, 2, "%}") != 0) continue;
      AddDataBefore(tag);
      Advance(at - position_);
      PassEnd(sign == '-', 2, sign != '+');
      return true;
    }
    RefuseTemplate(begin_line, "{% raw %} is never closed by {% endraw %}");
  }

  void ReadInside(std::string_view end, int begin_line) {
    const bool is_block = end == "%}";
    std::string open;  // brackets not closed yet; a tag cannot end inside them
    while (true) {
      while (std::isspace(static_cast<unsigned char>(Peek())) != 0) Advance(1);
      if (position_ >= text_.size()) {
        RefuseTemplate(begin_line, "a tag is never closed by " + std::string(end));
      }
      const char sign = Peek();
      const bool signed_end =
          (sign == '-' || (sign == '+' && is_block)) && text_.compare(position_ + 1, 2, end) == 0;
      if (open.empty() && (signed_end || At(end))) {
        tokens_.push_back(
            {is_block ? TemplateTokenKind::kBlockEnd : TemplateTokenKind::kPrintEnd, "", line_});
        return PassEnd(signed_end && sign == '-', signed_end ? 3 : 2, is_block && !signed_end);
      }
      ReadToken(&open);
    }
  }

  void ReadToken(std::string* open) {
    const char c = Peek();
    if (c == '\'' || c == '"') return ReadString(c);
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) return ReadNumber();
    if (IsNameByte(c)) {
      size_t length = 1;
      while (IsNameByte(Peek(length))) ++length;
      tokens_.push_back({TemplateTokenKind::kName, text_.substr(position_, length), line_});
      return Advance(length);
    }
    static constexpr std::string_view kOperators[] = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (const std::string_view op : kOperators) {
      if (!At(op)) continue;
      if (op == "(" || op == "[" || op == "{") *open += op;
      if (op == ")" || op == "]" || op == "}") {
        const char wanted = op == ")" ? '(' : (op == "]" ? '[' : '{');
        if (open->empty() || open->back() != wanted) {
          RefuseTemplate(line_, "unexpected '" + std::string(op) + "'");
        }
        open->pop_back();
      }
      tokens_.push_back({TemplateTokenKind::kOperator, std::string(op), line_});
      return Advance(op.size());
    }
    RefuseTemplate(line_, std::string("unexpected character '") + c + "'");
  }

  void ReadString(char quote) {
    size_t end = position_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) RefuseTemplate(line_, "a string is never closed");
    tokens_.push_back({TemplateTokenKind::kString,
                       DecodeStringLiteral(text_.substr(position_ + 1, end - position_ - 1), line_),
                       line_});
    Advance(end + 1 - position_);
  }

  // 0x1F, 0o17 and 0b11, in lower case in the token.
  bool ReadPrefixedNumber() {
    const char kind = static_cast<char>(std::tolower(static_cast<unsigned char>(Peek(1))));
    const std::string_view allowed = kind == 'x'   ? "0123456789abcdefABCDEF"
                                     : kind == 'o' ? "01234567"
                                     : kind == 'b' ? "01"
                                                   : "";
    if (allowed.empty()) return false;
    std::string text = {'0', kind};
    size_t length = 2;
    while (allowed.find(Peek(length)) != std::string_view::npos ||
           (Peek(length) == '_' && allowed.find(Peek(length + 1)) != std::string_view::npos)) {
      if (Peek(length) != '_') text += Peek(length);
      ++length;
    }
    if (text.size() == 2) return false;
    tokens_.push_back({TemplateTokenKind::kInteger, text, line_});
    Advance(length);
    return true;
  }

  void ReadNumber() {
    const auto digits = [&](size_t from) {
      size_t at = from;
      while (std::isdigit(static_cast<unsigned char>(Peek(at))) != 0 ||
             (Peek(at) == '_' && std::isdigit(static_cast<unsigned char>(Peek(at + 1))) != 0)) {
        ++at;
      }
      return at;
    };
    if (Peek() == '0' && ReadPrefixedNumber()) return;
    size_t length = digits(0);
    bool is_float = false;
    const bool after_dot = !tokens_.empty() &&
                           tokens_.back().kind == TemplateTokenKind::kOperator &&
                           tokens_.back().text == ".";
    if (!after_dot && Peek(length) == '.' && digits(length + 1) > length + 1) {
      length = digits(length + 1);
      is_float = true;
    }
    if (Peek(length) == 'e' || Peek(length) == 'E') {
      const size_t sign = Peek(length + 1) == '-' || Peek(length + 1) == '+' ? 1 : 0;
      if (digits(length + 1 + sign) > length + 1 + sign) {
        length = digits(length + 1 + sign);
        is_float = true;
      }
    }
    std::string text = text_.substr(position_, length);
    std::erase(text, '_');
    if (!is_float && text[0] == '0' && text.find_first_not_of('0') != std::string::npos) {
      RefuseTemplate(line_, "the number " + text + " begins with 0");
    }
    tokens_.push_back(
        {is_float ? TemplateTokenKind::kFloat : TemplateTokenKind::kInteger, text, line_});
    Advance(length);
  }

  std::string text_;
  size_t position_ = 0;
  int line_ = 1;
  bool line_start_ = true;  // the byte before position_ is a newline, or there is none
  std::vector<TemplateToken> tokens_;
};

}  // namespace

void RefuseTemplate(int line, const std::string& what) {
  throw Error(ErrorCode::kUsage, "chat template line " + std::to_string(line) + ": " + what);
}

std::vector<TemplateToken> Tokenize(const std::string& source) {
  return TemplateLexer(source).Run();
}

}  // namespace cohort::policy::jinja
