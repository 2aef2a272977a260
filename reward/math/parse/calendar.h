#pragma once

// Dates and times of day, which arithmetic would read as differences and ratios.

#include <optional>
#include <string_view>

namespace cohort::reward::math {

struct Date {
  int year = 0;  // 0 where none is given
  int month = 0;
  int day = 0;
  bool operator==(const Date&) const = default;
};

// "2024-03-05", "March 5, 2024", "5 March 2024", "June 20th".
std::optional<Date> ParseDate(std::string_view text);

struct TimeOfDay {
  int hour = 0;
  int minute = 0;
  char half = 0;  // 'a', 'p', or 0 where the text does not say
};

// "3:30", "15:30", "3:30 p.m.", "3 PM", "noon", "midnight".
std::optional<TimeOfDay> ParseTime(std::string_view text);

// 3:30 is 3:30 PM; 15:30 is 3:30 PM; 3:30 AM is not.
bool SameTime(const TimeOfDay& a, const TimeOfDay& b);

}  // namespace cohort::reward::math
