#include "reward/math/parse/han_words.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace cohort::reward::math {
namespace {

constexpr size_t kHanBytes = 3;
using Term = std::pair<std::string_view, std::string_view>;

// Longer terms before those they begin with.
constexpr Term kTerms[] = {
    {"平方千米", "\\text{ km^2}"},
    {"平方公里", "\\text{ km^2}"},
    {"平方厘米", "\\text{ cm^2}"},
    {"平方毫米", "\\text{ mm^2}"},
    {"平方分米", "\\text{ dm^2}"},
    {"平方米", "\\text{ m^2}"},
    {"立方厘米", "\\text{ cm^3}"},
    {"立方毫米", "\\text{ mm^3}"},
    {"立方分米", "\\text{ dm^3}"},
    {"立方米", "\\text{ m^3}"},
    {"千米", "\\text{ km}"},
    {"公里", "\\text{ km}"},
    {"厘米", "\\text{ cm}"},
    {"毫米", "\\text{ mm}"},
    {"分米", "\\text{ dm}"},
    {"米", "\\text{ m}"},
    {"千克", "\\text{ kg}"},
    {"公斤", "\\text{ kg}"},
    {"毫克", "\\text{ mg}"},
    {"克", "\\text{ g}"},
    {"毫升", "\\text{ ml}"},
    {"升", "\\text{ liter}"},
    {"分钟", "\\text{ minute}"},
    {"小时", "\\text{ hour}"},
    {"时", "\\text{ hour}"},
    {"吨", "\\text{ ton}"},
    {"秒", "\\text{ s}"},
    {"天", "\\text{ day}"},
    {"日", "\\text{ day}"},
    {"星期", "\\text{ week}"},
    {"周", "\\text{ week}"},
    {"个月", "\\text{ month}"},
    {"月", "\\text{ month}"},
    {"年", "\\text{ year}"},
    {"人民币", "\\text{ yuan}"},
    {"美元", "\\text{ dollar}"},
    {"欧元", "\\text{ euro}"},
    {"元", "\\text{ yuan}"},
    {"人", "\\text{ people}"},
    {"摄氏度", "^{\\circ}\\text{C}"},
    {"度", "^{\\circ}"},
    {"每", "/"},
    {"或者", " or "},
    {"或", " or "},
    {"以及", " and "},
    {"和", " and "},
    {"与", " and "},
    {"及", " and "},
    {"且", " and "},
    {"千", " thousand "},
    {"百", " hundred "},
    {"万", "\\tenthousand "},
    {"亿", "\\hundredmillion "},
};

int DigitOf(std::string_view character) {
  static constexpr std::array<std::string_view, 10> kDigits = {"零", "一", "二", "三", "四",
                                                               "五", "六", "七", "八", "九"};
  for (size_t i = 0; i < kDigits.size(); ++i) {
    if (character == kDigits[i]) return static_cast<int>(i);
  }
  if (character == "两") return 2;
  return character == "〇" ? 0 : -1;
}

int64_t ScaleOf(std::string_view character) {
  if (character == "十") return 10;
  if (character == "百") return 100;
  if (character == "千") return 1000;
  if (character == "万") return 10'000;
  return character == "亿" ? 100'000'000 : 0;
}

// A whole number in numerals, up to 16 characters; nullopt for other texts.
std::optional<int64_t> Whole(std::string_view text) {
  if (text.empty() || text.size() % kHanBytes != 0 || text.size() > 16 * kHanBytes) {
    return std::nullopt;
  }
  int64_t total = 0;  // of 亿 and 万
  int64_t part = 0;   // below them
  int digit = -1;     // that waits for its scale
  for (size_t i = 0; i < text.size(); i += kHanBytes) {
    const std::string_view character = text.substr(i, kHanBytes);
    if (const int next = DigitOf(character); next >= 0) {
      if (digit > 0) return std::nullopt;
      digit = next;
      continue;
    }
    const int64_t scale = ScaleOf(character);
    if (scale == 0) return std::nullopt;
    if (scale < 10'000) {
      if (digit < 0 && (scale != 10 || i > 0)) return std::nullopt;
      part += (digit < 0 ? 1 : digit) * scale;
    } else {
      if (digit > 0) part += digit;
      if (part == 0) return std::nullopt;
      total += part * scale;
      part = 0;
    }
    digit = -1;
  }
  return total + part + (digit > 0 ? digit : 0);
}

// 个 and other words that count things.
bool IsCounter(std::string_view text) {
  static constexpr std::array<std::string_view, 44> kCounters = {
      "个", "只", "人", "种", "条", "本", "支", "张", "块", "根", "棵", "辆", "名", "位", "次",
      "件", "套", "座", "岁", "倍", "页", "行", "组", "对", "双", "盒", "箱", "袋", "瓶", "杯",
      "朵", "头", "匹", "颗", "粒", "枚", "道", "题", "分", "排", "列", "班", "步", "台"};
  return std::find(kCounters.begin(), kCounters.end(), text) != kCounters.end();
}

bool IsUnitTerm(std::string_view text) {
  return std::any_of(std::begin(kTerms), std::end(kTerms), [&](const Term& term) {
    return term.first == text && term.second.find("\\text") != std::string_view::npos;
  });
}

// 三点一四: a numeral, 点, and its decimals one by one.
std::optional<std::string> WithDecimals(std::string_view text, size_t point) {
  const auto whole = Whole(text.substr(0, point));
  if (!whole) return std::nullopt;
  std::string number = std::to_string(*whole) + ".";
  const std::string_view decimals = text.substr(point + kHanBytes);
  if (decimals.empty()) return std::nullopt;
  for (size_t i = 0; i < decimals.size(); i += kHanBytes) {
    const int digit = DigitOf(decimals.substr(i, kHanBytes));
    if (digit < 0) return std::nullopt;
    number += static_cast<char>('0' + digit);
  }
  return number;
}

// 十五个, 一百元: a numeral and what it counts.
std::optional<std::string> Counted(std::string_view text) {
  for (size_t i = kHanBytes; i < text.size(); i += kHanBytes) {
    const std::string_view unit = text.substr(i);
    if (!IsCounter(unit) && !IsUnitTerm(unit)) continue;
    const auto whole = Whole(text.substr(0, i));
    if (!whole) continue;
    return std::to_string(*whole) + (IsCounter(unit) ? "" : HanToLatex(unit));
  }
  return std::nullopt;
}

bool HoldsTerm(std::string_view text, std::string_view term, size_t* at) {
  *at = text.find(term);
  return *at != std::string_view::npos;
}

}  // namespace

bool StartsWithHan(std::string_view text) {
  const auto lead = text.empty() ? 0 : static_cast<unsigned char>(text[0]);
  return lead >= 0xE4 && lead <= 0xE9 && text.size() >= kHanBytes;
}

std::string HanToLatex(std::string_view run) {
  if (run == "比") return ":";
  std::string latex;
  std::string unknown;
  const auto flush = [&] {
    if (!unknown.empty()) latex += "\\text{" + std::exchange(unknown, "") + "}";
  };
  while (!run.empty()) {
    const Term* known = nullptr;
    for (const Term& term : kTerms) {
      if (!run.starts_with(term.first)) continue;
      known = &term;
      break;
    }
    // A unit's character within other words is no unit: 元 of 单元格.
    const bool unit = known != nullptr && known->second.starts_with("\\text");
    if (known == nullptr || (unit && !unknown.empty())) {
      unknown += run.substr(0, kHanBytes);
      run.remove_prefix(kHanBytes);
      continue;
    }
    const std::string_view rest = run.substr(known->first.size());
    const bool ends = rest.empty() || rest.starts_with("每") || rest.starts_with("或") ||
                      rest.starts_with("和") || rest.starts_with("与");
    if (unit && !ends) {
      unknown += known->first;
    } else {
      flush();
      latex += known->second;
    }
    run = rest;
  }
  flush();
  return latex;
}

std::optional<std::string> HanNumber(std::string_view text) {
  if (!StartsWithHan(text) && !text.starts_with("〇")) return std::nullopt;
  if (text == "一半") return "\\frac{1}{2}";
  size_t at = 0;
  if (text.starts_with("负")) {
    const auto size = HanNumber(text.substr(kHanBytes));
    return size ? std::optional<std::string>("-(" + *size + ")") : std::nullopt;
  }
  if (text.starts_with("百分之")) {
    const std::string_view digits = text.substr(3 * kHanBytes);
    if (!digits.empty() && digits.find_first_not_of("0123456789.") == std::string_view::npos) {
      return std::string(digits) + "\\%";
    }
    const auto share = Whole(digits);
    return share ? std::optional<std::string>(std::to_string(*share) + "\\%") : std::nullopt;
  }
  if (HoldsTerm(text, "分之", &at)) {
    const auto den = Whole(text.substr(0, at));
    const auto num = Whole(text.substr(at + 2 * kHanBytes));
    if (!den || !num || *den == 0) return std::nullopt;
    return "\\frac{" + std::to_string(*num) + "}{" + std::to_string(*den) + "}";
  }
  if (HoldsTerm(text, "点", &at)) return WithDecimals(text, at);
  if (const auto whole = Whole(text)) return std::to_string(*whole);
  return Counted(text);
}

}  // namespace cohort::reward::math
