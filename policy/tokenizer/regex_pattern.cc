#include "policy/tokenizer/regex_pattern.h"

#include "base/error.h"
#include "base/utf8.h"
#include "policy/tokenizer/shared_pattern.h"

namespace cohort::policy {

RegexPattern::RegexPattern(const std::string& pattern) : source_(pattern) {
  const std::string refused = "the pattern '" + pattern + "' is not ";
  if (base::ValidUtf8Prefix(pattern) != pattern.size()) {
    throw Error(ErrorCode::kUsage, refused + "UTF-8");
  }
  if (const auto shared = SharedPattern(pattern)) {
    auto compiled = base::Regex::Compile(*shared, {.machine_code = true});
    if (auto* regex = std::get_if<base::Regex>(&compiled)) {
      regex_ = std::move(*regex);
      return;
    }
  }
  auto compiled = OnigurumaPattern::Compile(pattern);
  if (auto* oniguruma = std::get_if<OnigurumaPattern>(&compiled)) {
    oniguruma_ = std::move(*oniguruma);
    return;
  }
  // Oniguruma does not say where it stopped; PCRE2 mostly stops there too, and says so.
  const auto other = base::Regex::Compile(pattern, {});
  if (const auto* fault = std::get_if<base::RegexFault>(&other)) {
    throw Error(ErrorCode::kUsage, refused + "understood at offset " +
                                       std::to_string(fault->offset) + ": " + fault->message);
  }
  throw Error(ErrorCode::kUsage,
              refused + "understood: " + std::get<OnigurumaPattern::Fault>(compiled).message);
}

RegexPattern CompileRegex(const base::JsonPlace& pattern) {
  try {
    return RegexPattern(pattern.Text());
  } catch (const Error& error) {
    pattern.Fail(std::string("is refused: ") + error.what());
  }
}

void RegexPattern::GiveUp(const std::string& failure) const {
  throw Error(ErrorCode::kUsage, "the pattern '" + source_ + "' gave up on a text: " + failure,
              "the text is too long or too repetitive for it; split the text");
}

}  // namespace cohort::policy
