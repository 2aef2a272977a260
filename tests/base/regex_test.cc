#include "base/regex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/error.h"

namespace cohort::base {
namespace {

Regex Compiled(const std::string& pattern, const RegexSettings& settings = {}) {
  return std::get<Regex>(Regex::Compile(pattern, settings));
}

RegexFault FaultOf(const std::string& pattern) {
  return std::get<RegexFault>(Regex::Compile(pattern, {}));
}

constexpr auto kNever = [] { return false; };

std::vector<std::string> Matches(const Regex& regex, const std::string& text) {
  std::vector<std::string> found;
  RegexMatches matches(regex, text);
  while (matches.Next())
    found.push_back(text.substr(matches.begin(), matches.end() - matches.begin()));
  EXPECT_EQ(matches.failure(), "");
  return found;
}

TEST(Regex, WalksOverTheMatchesThatAreNotEmpty) {
  for (const bool machine_code : {false, true}) {
    const RegexSettings settings = {.machine_code = machine_code};
    EXPECT_EQ(Matches(Compiled("[0-9]+", settings), "ab 12 cd 345"),
              std::vector<std::string>({"12", "345"}));
    EXPECT_EQ(Matches(Compiled("x|é*", settings), "aüééx"), std::vector<std::string>({"éé", "x"}));
    EXPECT_TRUE(Matches(Compiled("z", settings), "ab").empty());
  }
}

TEST(Regex, SaysWhereAPatternIsNotUnderstood) {
  EXPECT_EQ(FaultOf("a(b").message, "missing closing parenthesis");
  EXPECT_EQ(FaultOf("a(b").offset, 3u);
  EXPECT_NE(FaultOf("\\C").message, "") << "half a character is no match";
}

TEST(Regex, ClassesKnowUnicodeOrAsciiAlone) {
  EXPECT_EQ(Compiled("^\\w$").SearchUntil("é", kNever), RegexOutcome::kMatch);
  EXPECT_EQ(Compiled("^\\w$", {.unicode_classes = false}).SearchUntil("é", kNever),
            RegexOutcome::kNoMatch);
}

TEST(Regex, AWholeTextPatternMatchesNoPart) {
  const Regex whole = Compiled("a|ab", {.whole_text = true});
  EXPECT_EQ(whole.SearchUntil("ab", kNever), RegexOutcome::kMatch)
      << "the other choice is tried too";
  EXPECT_EQ(whole.SearchUntil("abc", kNever), RegexOutcome::kNoMatch);
}

TEST(Regex, StepsAndMemoryAreBounded) {
  const std::string steps = std::string(100, 'a') + "b";
  EXPECT_EQ(Compiled("(a+)+$", {.max_steps = 1'000}).SearchUntil(steps, kNever),
            RegexOutcome::kTooManySteps);
  const std::string memory = std::string(100'000, 'a') + "dc";
  const Regex greedy = Compiled("(a|b)*c", {.max_heap_kib = 64});
  EXPECT_EQ(greedy.SearchUntil(memory, kNever), RegexOutcome::kTooManySteps);
  RegexMatches matches(greedy, memory);
  EXPECT_FALSE(matches.Next());
  EXPECT_EQ(matches.failure(), "heap limit exceeded");
}

TEST(Regex, ASearchFindsWhatStartsAnywhereAndNeverInsideACharacter) {
  const Regex regex = Compiled("é$");
  for (size_t before = 0; before < 300; ++before) {
    const std::string text = std::string(before, 'x') + std::string("ü") + "é";
    EXPECT_EQ(regex.SearchUntil(text, kNever), RegexOutcome::kMatch) << before;
  }
  EXPECT_EQ(regex.SearchUntil(std::string(300, 'x'), kNever), RegexOutcome::kNoMatch);
}

TEST(Regex, ASearchEndsWhenItsTimeIsOver) {
  int looks = 0;
  const RegexOutcome outcome =
      Compiled("b").SearchUntil(std::string(1'000'000, 'a'), [&] { return ++looks == 5; });
  EXPECT_EQ(outcome, RegexOutcome::kOutOfTime);
  EXPECT_EQ(looks, 5);
}

TEST(Regex, RemovesEveryMatch) {
  EXPECT_EQ(Compiled("<[^>]*>").RemoveMatches("<b>two</b> <i>words</i>"), "two words");
  EXPECT_EQ(Compiled("x*").RemoveMatches("axxb"), "ab") << "empty matches remove nothing";
  try {
    Compiled("a").RemoveMatches("\xFF");
    FAIL() << "a text that is not UTF-8";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("could not be applied"), std::string::npos);
  }
}

TEST(Regex, ThreadsShareOne) {
  const Regex regex = Compiled("[a-c]+", {.machine_code = true});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&regex, i] {
      const std::string text = std::string(static_cast<size_t>(i), '-') + "abc";
      for (int n = 0; n < 1'000; ++n) {
        EXPECT_EQ(Matches(regex, text), std::vector<std::string>({"abc"}));
      }
    });
  }
}

}  // namespace
}  // namespace cohort::base
