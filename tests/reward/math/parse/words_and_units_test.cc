#include "reward/math/parse/calendar.h"
#include "reward/math/parse/choice.h"
#include "reward/math/parse/units.h"
#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

TEST(MathUnits, OneSideMayLeaveThemOut) {
  ExpectSame({{"7\\text{ kg}", "7"},
              {"\\$7.50", "7.5"},
              {"7 dollars", "\\$7"},
              {"20\\text{ cm}^2", "20"},
              {"20\\text{ cm}^2", "20 square centimeters"},
              {"3\\text{ m}", "300\\text{ cm}"},
              {"2 hours", "120 minutes"},
              {"9 pencils", "9"},
              {"4\\pi\\text{ inches}", "4\\pi"},
              {"3\\text{ m/s}", "3 m/s"},
              {"90 km/h", "25\\text{ m/s}"},
              {"\\text{7 kg}", "7"},
              {"45 min", "45 minutes"},
              {"60^\\circ", "60\\text{ degrees}"},
              {"60^\\circ", "\\frac{\\pi}{3}"}});
  ExpectDifferent({{"7\\text{ kg}", "7\\text{ m}"},
                   {"7 kg", "8"},
                   {"20\\text{ cm}^2", "400"},
                   {"20\\text{ cm}^2", "20\\text{ cm}"},
                   {"3\\text{ m}", "3\\text{ cm}"},
                   {"9 pencils", "9 pens"},
                   {"\\$7", "7 cents"}});
  Conventions strict;
  strict.units = false;
  EXPECT_FALSE(Same("7\\text{ kg}", "7", strict));
}

TEST(MathUnits, AValueInSeveralUnitsIsOneValue) {
  ExpectSame({{"2 hours 30 minutes", "150 minutes"},
              {"2\\text{ hours }30\\text{ minutes}", "2.5 hours"},
              {"150 min", "2 h 30 min"},
              {"2h 30m 5s", "9005 seconds"},
              {"5 ft 3 in", "63 inches"},
              {"\\$3.50", "3 dollars and 50 cents"},
              {"1 week, 2 days", "9 days"}});
  ExpectDifferent({{"2 hours 30 minutes", "30 minutes"},
                   {"2 hours 30 minutes", "230 minutes"},
                   {"2 hours 30 minutes", "30 hours 2 minutes"},
                   {"2 hours 30 minutes", "30 minutes 2 hours"},
                   {"5 feet 3 inches", "3"},
                   {"2 hours 3 meters", "3"}});
}

TEST(MathUnits, TemperaturesAndAnglesInTheirSpellings) {
  for (const char* spelled :
       {"20°C", "20 °C", "20℃", "20\\,^\\circ\\mathrm{C}", "20^{\\circ}C", "20\\text{°C}",
        "20 degrees Celsius", "20\\text{ degrees Celsius}", "20", "20°"}) {
    EXPECT_TRUE(Same("20^\\circ\\text{C}", spelled)) << spelled;
  }
  for (const char* spelled : {"30º", "30˚", "30^o", "30^{\\text{o}}", "30{}^\\circ", "30 deg",
                              "\\ang{30}", "30\\text{°}", "30\\degree", "\\frac{\\pi}{6}", "30"}) {
    EXPECT_TRUE(Same("30^\\circ", spelled)) << spelled;
  }
  ExpectSame({{"30.25^\\circ", "30^\\circ15'"}, {"30.26°", "30°15′36″"}});
  ExpectDifferent({{"20^\\circ\\text{C}", "20^\\circ\\text{F}"},
                   {"20^\\circ\\text{C}", "21°C"},
                   {"60^\\circ", "60\\text{ cm}"},
                   {"30^\\circ", "30^2"},
                   {"30.25^\\circ", "30^\\circ25'"}});
}

TEST(MathUnits, QuotientsPowersAndPrefixes) {
  for (const char* spelled :
       {"5\\,\\frac{m}{s}", "5 m s^{-1}", "5\\text{ m s}^{-1}", "5\\,\\mathrm{m\\,s^{-1}}",
        "5\\text{ m}\\text{ s}^{-1}", "5\\,\\mathrm{m}/\\mathrm{s}", "18\\text{ km/h}",
        "5\\frac{\\text{m}}{\\text{s}}", "5 meters per second"}) {
    EXPECT_TRUE(Same("5\\text{ m/s}", spelled)) << spelled;
    EXPECT_TRUE(Same(spelled, "5\\text{ m/s}")) << spelled;
  }
  ExpectSame({{"60\\text{ km/h}", "60\\frac{\\text{km}}{\\text{h}}"},
              {"5\\text{ kJ}", "5000\\text{ J}"},
              {"5\\text{ μm}", "5000\\text{ nm}"},
              {"5\\,\\mu\\text{m}", "0.005\\text{ mm}"},
              {"1\\text{ L}", "1000\\text{ cm}^3"},
              {"10\\text{ N}", "10\\text{ kg m/s}^2"},
              {"10\\text{ J}", "10\\text{ N}\\cdot\\text{m}"},
              {"9.8\\text{ m/s}^2", "9.8\\frac{m}{s^2}"},
              {"5 in", "5"},
              {"9.8 \\mathrm{~m} / \\mathrm{s}^{2}", "9.8\\text{ m/s}^2"},
              {"300 \\mathrm{~K}", "300"},
              {"1 \\mathrm{~L}", "1 liter"},
              {"2 lbs", "2 pounds"},
              {"5¢", "5 cents"},
              {"63 inches", "63 in"},
              {"USD 25", "25"}});
  ExpectDifferent({{"5\\text{ kJ}", "5\\text{ J}"},
                   {"5\\text{ m/s}", "5 m/s^2"},
                   {"5\\text{ m/s}", "5\\frac{s}{m}"},
                   {"1\\text{ m/s}", "\\frac{11+9a}{20}"},
                   {"20\\text{ m}", "11+9m"},
                   {"10\\text{ N}", "10\\text{ N}\\cdot\\text{m}"}});
}

TEST(MathUnits, PercentOnOneSideIsEitherReading) {
  ExpectSame(
      {{"35\\%", "0.35"}, {"35\\%", "35"}, {"35%", "\\frac{7}{20}"}, {"35 percent", "35\\%"}});
  ExpectDifferent({{"35\\%", "36\\%"}, {"35\\%", "3.5"}, {"35\\%", "3500"}});
  Conventions strict;
  strict.percent = false;
  EXPECT_FALSE(Same("35\\%", "35", strict));
  EXPECT_TRUE(Same("35\\%", "0.35", strict));
}

TEST(MathUnits, Ratios) {
  ExpectSame({{"6:9", "2:3"}, {"6:9", "\\frac23"}, {"1:2:5", "2:4:10"}});
  ExpectDifferent({{"6:9", "9:6"}, {"1:2:5", "1:2:6"}});
}

TEST(MathWords, CompareWithoutCaseAndPunctuation) {
  ExpectSame({{"Martin", "\\text{martin}"},
              {"\\text{a regular hexagon}", "A regular hexagon."},
              {"parabola", "a parabola"},
              {"the ellipse", "\\text{an ellipse}"},
              {"\\text{odd}", "odd"},
              {"\\text{no real solutions}", "No solution"},
              {"twenty-one", "21"},
              {"\\text{three hundred and four}", "304"}});
  ExpectDifferent({{"Martin", "Martina"},
                   {"\\text{stop}", "\\text{post}"},
                   {"listen", "silent"},
                   {"True", "False"},
                   {"\\text{yes}", "yes or no"},
                   {"Martin", "Anna, Martin"},
                   {"\\text{scalene triangle}", "scalene"}});
}

TEST(MathWords, MultipleChoice) {
  ExpectSame({{"C", "(C)"},
              {"C", "\\textbf{(C)}\\ 14"},
              {"C", "C. 14"},
              {"14", "\\textbf{(C)}\\ 14"},
              {"C", "\\mathrm{C}"}});
  EXPECT_TRUE(Same("C", "c"));
  ExpectDifferent({{"C", "D"},
                   {"C", "\\textbf{(D)}\\ 14"},
                   {"C", "C or D"},
                   {"C", "CD"},
                   {"C", "(C)(D)"},
                   {"C", "(C), 14"},
                   {"C", "(C) or 14"},
                   {"C", "C. D. E"},
                   {"C", "C And D And E"},
                   {"C", "C) or D)"},
                   {"(C) 14", "(C) 15"},
                   {"C", "C\\cdot2"},
                   {"(C)", "(C)+1"}});
  ExpectSame({{"C", "C non A"}, {"C", "C, not (A)"}, {"(C)", "(C) rather than A or B"}});
  ExpectSame(
      {{"C", "选C"}, {"C", "C项"}, {"B", "B不是 A"}, {"B", "B。不是 A"}, {"C", "(C) is correct"}});
  for (const char* denied :
       {"(C) is wrong", "\\text{(C) is incorrect}", "C is not correct", "(C) is not the answer",
        "C cannot be right", "(C) 错误", "C不对", "(C) isn't right", "(C) can be ruled out"}) {
    EXPECT_FALSE(Same("C", denied)) << denied;
  }
  ExpectDifferent({{"A", "B不是 A"}});
  ExpectDifferent({{"A", "C non A"},
                   {"C", "not C"},
                   {"C", "C not"},
                   {"C", "C not AB"},
                   {"C", "C not A, but B"},
                   {"A", "A and not B"},
                   {"A and not B", "A"},
                   {"C", "Cnot A"}});
  EXPECT_EQ(ParseChoice("(B) 7")->value, "7");
  EXPECT_FALSE(ParseChoice("Beth").has_value());
}

TEST(MathWords, DatesAndTimes) {
  ExpectSame({{"2023-11-04", "November 4, 2023"},
              {"\\text{May 7}", "7 May"},
              {"4:15", "4:15 PM"},
              {"16:15", "4:15 p.m."},
              {"noon", "12 p.m."},
              {"12 noon", "12:00 PM"},
              {"midnight", "12:00 a.m."}});
  ExpectDifferent({{"2023-11-04", "2008"},
                   {"2023-11-04", "2023-04-11"},
                   {"May 7", "7"},
                   {"4:15 AM", "4:15 PM"},
                   {"noon", "midnight"},
                   {"noon", "12:00 a.m."},
                   {"noon", "afternoon"},
                   {"4:15", "5:15"}});
  EXPECT_FALSE(ParseDate("2023-13-04").has_value());
  EXPECT_FALSE(ParseTime("4:75").has_value());
}

TEST(MathUnits, TextsThatChangeWhatIsSaidAreNoUnits) {
  EXPECT_TRUE(IsUnitText("square miles"));
  for (const char* text : {"or nine", "not", "and a half", "times 3", "hundred", "(maybe)",
                           "at most", "or more", "at least", ""}) {
    EXPECT_FALSE(IsUnitText(text)) << text;
  }
}

}  // namespace
}  // namespace cohort::reward::math
