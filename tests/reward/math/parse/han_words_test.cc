#include "reward/math/parse/han_words.h"

#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

TEST(MathHanWords, UnitsAreUnits) {
  ExpectSame({{"5", "5元"},
              {"5元", "5"},
              {"12", "12平方厘米"},
              {"12\\text{ cm}^2", "12 平方厘米"},
              {"500 cm", "5米"},
              {"60\\text{ km/h}", "60千米/时"},
              {"60\\text{ km/h}", "60千米每小时"},
              {"2小时", "120\\text{ minutes}"},
              {"30^\\circ", "30度"},
              {"20^\\circ\\text{C}", "20摄氏度"},
              {"¥5", "5元"},
              {"3", "3次"},
              {"8", "8个"},
              {"8", "8。"}});
  ExpectDifferent({{"12\\text{ cm}", "12平方厘米"},
                   {"5元", "5 dollars"},
                   {"8人", "8个"},
                   {"5", "不是5"},
                   {"5", "5以上"},
                   {"5", "至少5"},
                   {"5", "6元"}});
}

TEST(MathHanWords, MagnitudesMultiply) {
  ExpectSame({{"50000", "5万"}, {"35000", "3.5万元"}, {"500000000", "5亿"}, {"5000", "5千"}});
  ExpectDifferent({{"5", "5万"}, {"3.5", "3.5万"}});
}

TEST(MathHanWords, JoinedValuesAreAList) {
  ExpectSame({{"x=1或x=2", "1,2"}, {"1或2", "1, 2"}, {"1和2", "1,2"}, {"1、2", "2,1"}});
  ExpectDifferent({{"1", "1或2"}, {"x=1或x=2", "x=1"}});
}

TEST(MathHanWords, NumeralsAreNumbers) {
  EXPECT_EQ(HanNumber("十二"), "12");
  EXPECT_EQ(HanNumber("二十"), "20");
  EXPECT_EQ(HanNumber("一百零五"), "105");
  EXPECT_EQ(HanNumber("三千二百一十"), "3210");
  EXPECT_EQ(HanNumber("五万"), "50000");
  EXPECT_EQ(HanNumber("三分之二"), "\\frac{2}{3}");
  EXPECT_EQ(HanNumber("百分之五十"), "50\\%");
  EXPECT_EQ(HanNumber("负三"), "-(3)");
  EXPECT_EQ(HanNumber("负二分之一"), "-(\\frac{1}{2})");
  EXPECT_EQ(HanNumber("三点一四"), "3.14");
  EXPECT_EQ(HanNumber("零点五"), "0.5");
  EXPECT_EQ(HanNumber("百分之20"), "20\\%");
  EXPECT_EQ(HanNumber("十五个"), "15");
  for (const char* text : {"三角形", "一定", "万一", "三点", "负数", "第三", "十字", "二次函数"}) {
    EXPECT_FALSE(HanNumber(text).has_value()) << text;
  }
  for (const char* text : {"星期三", "一二", "百", "12", ""}) {
    EXPECT_FALSE(HanNumber(text).has_value()) << text;
  }
  ExpectSame({{"-5", "负五"},
              {"100", "一百元"},
              {"20", "二十人"},
              {"15\\text{ kg}", "十五千克"},
              {"1:2", "1比2"}});
  ExpectDifferent(
      {{"5", "负五"}, {"15", "十五点五"}, {"15\\text{ kg}", "十五克"}, {"1:2", "2比1"}});
  ExpectSame({{"12", "十二"}, {"\\frac13", "三分之一"}, {"无解", "no solution"}});
}

}  // namespace
}  // namespace cohort::reward::math
