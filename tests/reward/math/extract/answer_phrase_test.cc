#include "reward/math/extract/answer_phrase.h"

#include <gtest/gtest.h>

#include <utility>

namespace cohort::reward::math {
namespace {

std::string Stated(std::string_view text) {
  const auto found = AnswerPhrase(text);
  return found ? found->text : "(none)";
}

TEST(AnswerPhrase, TheAnswerStandsBeforeTheClauseThatExplainsIt) {
  for (const auto& [text, answer] : {
           std::pair("The answer is 12, since 2 and 3 are coprime.", "12"),
           {"The answer is: 12 (see step 2).", "12"},
           {"The answer is 12 because 3*4 = 12.", "12"},
           {"The answer is 12, as 3*4 = 12.", "12"},
           {"The answer is 12, which is 3 times 4.", "12"},
           {"The answer is -7, because 2 - 9 = -7 for n = 4.", "-7"},
           {"The answer is 5, not 7.", "5"},
           {"The answer is 5 rather than 7.", "5"},
           {"The answer is $5$, not $7$.", "5"},
           {"The answer is 12 for n = 4.", "12"},
           {"The answer is 12 apples in 3 days.", "12 apples"},
           {"The answer is 5; we used step 3.", "5"},
           {"**Answer: 12** (3 x 4)", "12"},
           {"The answer is __12__.", "12"},
           {"The answer is 3 + 5 = 8 apples in total.", "3 + 5 = 8 apples"},
           {"Answer: In 3 days she sells 15 eggs", "15"},
           {"Réponse: Janeth aura encore 220 $ à payer dans 12 mois.", "220"},
           {"The answer is 5 or 6", "5 or 6"},
           {"The answers are 2 and 3, because x^2-5x+6=0.", "2 and 3"},
           {"So 12 is the answer, not 13.", "12"},
           {"**Answer:** Yes, because of symmetry.", "Yes"},
           {"The answer is even, since it is a multiple of 4.", "even"},
           {"Answer: Alice, who was first.", "Alice"},
           {"The answer is B because 3 > 2.", "B"},
           {"正确答案是C。", "C"},
           {"答案是12，因为2和3互质。", "12"},
           {"故选：C", "C"},
           {"正确选项为A、C", "A、C"},
           {"【答案】BD", "BD"},
           {"I'd say the answer is 7.", "7"},
           {"There is no doubt that the answer is 7.", "7"},
       }) {
    EXPECT_EQ(Stated(text), answer) << text;
  }
}

TEST(AnswerPhrase, WhatIsDeniedIsNotTheAnswer) {
  for (const char* text :
       {"The answer isn't 5.", "The answer cannot be 5.", "The answer is not 5.",
        "The answer is definitely not 5.", "The answer can't be 5", "The answer should not be 5.",
        "The answer is never 5", "The answer won't be 5"}) {
    EXPECT_NE(Stated(text), "5") << text;
  }
  for (const char* text :
       {"I don't think the answer is 5.", "I do not believe that the answer is 5",
        "It is not the case that the answer is 5.", "We can't say the answer is 5.",
        "I doubt the correct answer is 5"}) {
    EXPECT_NE(Stated(text), "5") << text;
  }
  EXPECT_EQ(Stated("I don't think the answer is 5, but 7."), "7");
  EXPECT_EQ(Stated("So the answer is not B, but A."), "A");
  EXPECT_EQ(Stated("The answer is not 5 but 7."), "7");
  EXPECT_EQ(Stated("The answer is not 5. It is 7."), "7");
  EXPECT_EQ(Stated("The answer is 7. The answer is not 5."), "7");
}

TEST(AnswerPhrase, WhatIsSupposedIsNotStated) {
  EXPECT_EQ(Stated("If the answer is 8, then 8*2=16, a contradiction. Hence n = 7."), "(none)");
  EXPECT_EQ(Stated("The answer is 7. Suppose our final answer is 8: then 8 is even."), "7");
  EXPECT_EQ(Stated("If x = 3, the answer is 7."), "7");
}

TEST(AnswerPhrase, ABoundIsNoValue) {
  for (const char* text :
       {"The answer is less than 5.", "The answer is at most 5.", "The answer is at least 5.",
        "The answer is greater than 5", "The answer is different from 5", "The answer is over 5",
        "The answer is under 5.", "The answer is 5 at most.", "The answer is 5 or more",
        "答案至少是5", "答案不大于5", "答案是5以上"}) {
    EXPECT_NE(Stated(text), "5") << text;
  }
}

}  // namespace
}  // namespace cohort::reward::math
