#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/chat/jinja/lexer.h"

namespace cohort::policy::jinja {

// The parser's place in the tokens.
class TemplateCursor {
 public:
  explicit TemplateCursor(std::vector<TemplateToken> tokens) : tokens_(std::move(tokens)) {}

  const TemplateToken& Current() const { return tokens_[position_]; }
  const TemplateToken& Ahead() const {
    return tokens_[position_ + 1 < tokens_.size() ? position_ + 1 : position_];
  }
  int line() const { return Current().line; }

  TemplateToken Take() {
    TemplateToken token = Current();
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }

  bool AtOperator(std::string_view text) const {
    return Current().kind == TemplateTokenKind::kOperator && Current().text == text;
  }
  bool AtName(std::string_view text) const {
    return Current().kind == TemplateTokenKind::kName && Current().text == text;
  }
  bool SkipOperator(std::string_view text) { return AtOperator(text) && (Take(), true); }
  bool SkipName(std::string_view text) { return AtName(text) && (Take(), true); }

  void ExpectOperator(std::string_view text) {
    if (!SkipOperator(text)) RefuseCurrent("'" + std::string(text) + "'");
  }
  TemplateToken Expect(TemplateTokenKind kind, const std::string& what) {
    if (Current().kind != kind) RefuseCurrent(what);
    return Take();
  }

  [[noreturn]] void RefuseCurrent(const std::string& expected) const {
    std::string found = "'" + Current().text + "'";
    if (Current().text.empty()) found = "the end of the tag";
    if (Current().kind == TemplateTokenKind::kEnd) found = "the end of the template";
    RefuseTemplate(line(), "expected " + expected + ", found " + found);
  }

 private:
  std::vector<TemplateToken> tokens_;
  size_t position_ = 0;
};

}  // namespace cohort::policy::jinja
