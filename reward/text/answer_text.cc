#include "reward/text/answer_text.h"

namespace cohort::reward {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<std::string_view> AfterReasoning(std::string_view completion) {
  const std::string_view rest = AfterLast(completion, "</think>").value_or(completion);
  if (rest.find("<think>") != std::string_view::npos) return std::nullopt;
  return rest;
}

std::optional<std::string_view> AfterLast(std::string_view text, std::string_view marker) {
  const size_t at = text.rfind(marker);
  if (marker.empty()) return text;
  if (at == std::string_view::npos) return std::nullopt;
  return text.substr(at + marker.size());
}

std::string_view GoldText(std::string_view answer) {
  return Trim(AfterLast(answer, "####").value_or(answer));
}

}  // namespace cohort::reward
