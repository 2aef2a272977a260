#include "reward/text/plain_characters.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace cohort::reward {
namespace {

TEST(PlainCharacters, WhatLooksLikeAsciiIsAscii) {
  for (const auto& [text, plain] : {
           std::pair("１２＋３", "12+3"),
           {"𝟏𝟐", "12"},
           {"𝟘𝟡", "09"},
           {"٠١٢٣٤٥٦٧٨٩", "0123456789"},
           {"۰۹", "09"},
           {"०९", "09"},
           {"𝑥𝐀", "xA"},
           {"𝜋", "π"},
           {"ℎ", "h"},
           {"Ⅳ", "IV"},
           {"\u200F12\u202A", "12"},
           {"1\u30002", "1 2"},
           {"30º", "30°"},
       }) {
    EXPECT_EQ(PlainCharacters(text), plain) << text;
  }
}

TEST(PlainCharacters, TheRestStays) {
  for (const std::string text : {"x² + ½", "α", "答案：1，2", "①", "1\u2009000", "\xFF\xC3", ""}) {
    EXPECT_EQ(PlainCharacters(text), text);
  }
}

}  // namespace
}  // namespace cohort::reward
