#include "base/json_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"

namespace cohort::base {
namespace {

using nlohmann::json;

std::string ErrorOf(const std::function<void(const JsonPlace&)>& read) {
  const json value = json::parse(R"({"name": "x", "on": 1, "list": [{"id": 1.5}, [[2]]],
                                     "count": 18446744073709551615, "odd key": null})");
  try {
    read(JsonPlace(value, "f.json"));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what();
  }
  return "(no error)";
}

TEST(JsonPlace, SaysWhereAValueStandsWhatItIsAndWhatWasExpected) {
  EXPECT_EQ(ErrorOf([](const JsonPlace& p) { p.Text("nam"); }),
            "f.json: nam is missing; expected a text");
  EXPECT_EQ(ErrorOf([](const JsonPlace& p) { p.BoolOr("on", false); }),
            "f.json: on is 1; expected true or false");
  EXPECT_EQ(ErrorOf([](const JsonPlace& p) { p.Member("list").Entry(0).Integer("id", 0, 9); }),
            "f.json: list[0].id is 1.5; expected an integer from 0 to 9");
  EXPECT_EQ(ErrorOf([](const JsonPlace& p) { p.Member("list").Entry(1).Text("id"); }),
            "f.json: list[1] is a list; expected an object");
  EXPECT_EQ(ErrorOf([](const JsonPlace& p) { p.Member("name").ListSize(); }),
            "f.json: name is \"x\"; expected a list");
  EXPECT_EQ(ErrorOf([](const JsonPlace& p) { p.Text("odd key"); }),
            "f.json: ['odd key'] is null; expected a text");
  EXPECT_EQ(ErrorOf([](const JsonPlace& p) { p.Refuse("a number"); }),
            "f.json: the whole is an object; expected a number");
}

TEST(JsonPlace, AnIntegerTooLargeForTheMachineIsOutOfRangeToo) {
  EXPECT_EQ(ErrorOf([](const JsonPlace& p) { p.Integer("count", 0, INT64_MAX); }),
            "f.json: count is 18446744073709551615; expected an integer from 0 to "
            "9223372036854775807");
}

TEST(JsonPlace, WhatIsMissingOrNullIsOptional) {
  const json value = {{"a", nullptr}, {"b", false}};
  const JsonPlace place(value, "f");
  EXPECT_FALSE(place.Optional("a").has_value());
  EXPECT_FALSE(place.Optional("c").has_value());
  EXPECT_TRUE(place.BoolOr("a", true));
  EXPECT_FALSE(place.BoolOr("b", true));
  EXPECT_EQ(place.TextOr("a", "none"), "none");
}

TEST(JsonDepth, CountsOpenBracketsOutsideOfTexts) {
  EXPECT_EQ(JsonDepth("1"), 0);
  EXPECT_EQ(JsonDepth(R"({"a": [[], {}]})"), 3);
  EXPECT_EQ(JsonDepth(R"(["[[[\"[[["])"), 1);
  EXPECT_EQ(JsonDepth(std::string(100000, '[')), 100000);
}

}  // namespace
}  // namespace cohort::base
