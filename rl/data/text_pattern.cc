#define PCRE2_CODE_UNIT_WIDTH 8
#include "rl/data/text_pattern.h"

#include <pcre2.h>

#include <vector>

#include "base/error.h"

namespace cohort::rl {
namespace {

std::string Pcre2Message(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct TextPattern::Code {
  pcre2_code* compiled = nullptr;
  ~Code() { pcre2_code_free(compiled); }
};

TextPattern::TextPattern(const std::string& pattern, const std::string& origin) {
  int code = 0;
  PCRE2_SIZE offset = 0;
  auto holder = std::make_unique<Code>();
  holder->compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_UTF, &code, &offset, nullptr);
  if (holder->compiled == nullptr) {
    throw Error(ErrorCode::kUsage, origin + " '" + pattern +
                                       "' is no regular expression: " + Pcre2Message(code) +
                                       " at character " + std::to_string(offset));
  }
  code_ = std::move(holder);
}

TextPattern::~TextPattern() = default;

std::string TextPattern::RemoveFrom(const std::string& text) const {
  std::vector<PCRE2_UCHAR> out(text.size() + 1);  // removing never lengthens
  PCRE2_SIZE length = out.size();
  const int count = pcre2_substitute(code_->compiled, reinterpret_cast<PCRE2_SPTR>(text.data()),
                                     text.size(), 0, PCRE2_SUBSTITUTE_GLOBAL, nullptr, nullptr,
                                     reinterpret_cast<PCRE2_SPTR>(""), 0, out.data(), &length);
  if (count < 0) {
    throw Error(ErrorCode::kUsage,
                "the regular expression could not be applied: " + Pcre2Message(count));
  }
  return {reinterpret_cast<const char*>(out.data()), length};
}

}  // namespace cohort::rl
