#pragma once

// Template text -> tokens, with Jinja2's whitespace control as transformers sets it
// (trim_blocks, lstrip_blocks, no trailing newline kept).

#include <string>
#include <vector>

namespace cohort::policy::jinja {

enum class TemplateTokenKind {
  kData,  // text between tags
  kBlockBegin,
  kBlockEnd,
  kPrintBegin,
  kPrintEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct TemplateToken {
  TemplateTokenKind kind;
  std::string text;  // decoded for strings
  int line;
};

// kUsage with the line.
std::vector<TemplateToken> Tokenize(const std::string& source);

// "chat template line 3: ..." as a kUsage error.
[[noreturn]] void RefuseTemplate(int line, const std::string& what);

}  // namespace cohort::policy::jinja
