#include "reward/text/fenced_blocks.h"

#include <gtest/gtest.h>

namespace cohort::reward {
namespace {

const std::vector<std::string> kPython = {"python", "py"};

std::string CodeOf(const std::string& text) { return FencedCode(text, kPython).value_or("(none)"); }

TEST(FencedCode, TheLastBlockCounts) {
  EXPECT_EQ(CodeOf("First:\n```python\na\n```\nno, better:\n```python\nb\n```\nDone."), "b\n");
  EXPECT_EQ(CodeOf("```\na\n```\n```\nb\n```"), "b\n") << "without a language too";
  EXPECT_EQ(CodeOf("no code here"), "(none)");
  EXPECT_EQ(CodeOf("inline ```print(1)``` is none"), "(none)");
}

TEST(FencedCode, BlocksOfOtherLanguagesDoNotCount) {
  EXPECT_EQ(CodeOf("```python\na\n```\nRun it:\n```bash\npython a.py\n```\n```text\n3\n```"),
            "a\n");
  EXPECT_EQ(CodeOf("```ruby\na\n```"), "a\n") << "unless there are only such";
}

TEST(FencedCode, ATaggedBlockWinsOverAnUntaggedOneBehindIt) {
  EXPECT_EQ(CodeOf("```python\na\n```\nExample output:\n```\n3\n```"), "a\n");
  EXPECT_EQ(CodeOf("```\n1 2\n```\n```py\na\n```\n```\n3\n```\n```text\nO(n)\n```"), "a\n");
  EXPECT_EQ(CodeOf("```py\na\n```\n```py\nb\n```\n```\nc\n```"), "b\n") << "the last tagged one";
  EXPECT_EQ(CodeOf("```\na\n```\n```text\n3\n```"), "a\n") << "no language is nearer than another";
}

TEST(FencedCode, FencesNestByTheirLength) {
  EXPECT_EQ(CodeOf("````python\ns = '''\n```\nx\n```\n'''\n````"), "s = '''\n```\nx\n```\n'''\n");
  EXPECT_EQ(CodeOf("~~~\n```\na\n```\n~~~"), "```\na\n```\n");
  EXPECT_EQ(CodeOf("```python\na\n`````"), "a\n") << "a closing fence may be longer";
}

TEST(FencedCode, AFenceThatNeverClosesRunsToTheEnd) {
  EXPECT_EQ(CodeOf("```python\na\nb"), "a\nb\n");
}

TEST(FencedCode, TheFencesIndentationIsTakenOff) {
  EXPECT_EQ(CodeOf("1. Do\n   ```python\n   if x:\n       y\n\n   ```\n"), "if x:\n    y\n\n");
}

TEST(FencedCode, KnowsTheWaysToNameALanguage) {
  for (const char* const info :
       {"python", "Python", " py ", "{.python}", "python title=x", "py,run"}) {
    EXPECT_EQ(CodeOf("```ruby\nb\n```\n```" + std::string(info) + "\na\n```\n```c\nc\n```"), "a\n")
        << info;
  }
}

TEST(FencedCode, KeepsBytesAndCarriageReturns) {
  EXPECT_EQ(CodeOf(std::string("```python\r\na\0\xff\r\n```\r\n", 21)),
            std::string("a\0\xff\r\n", 5));
}

TEST(FencedCode, TakesLinearTime) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += "```python\n";
  EXPECT_TRUE(FencedCode(text, kPython).has_value());
  EXPECT_TRUE(FencedCode("```\n" + std::string(4'000'000, '`'), kPython).has_value());
}

}  // namespace
}  // namespace cohort::reward
