#include "base/console_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>

#include "base/durable_file.h"
#include "base/temporary_folder.h"

namespace cohort::base {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class ConsoleLogTest : public testing::Test {
 protected:
  // The file after these writes.
  std::string Logged(const std::vector<std::string>& writes) {
    std::filesystem::remove(path_);
    ConsoleLog log(path_);
    for (const std::string& text : writes) EXPECT_TRUE(log.Write(text));
    return ReadFile(path_);
  }

  const TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "console.log";
};

TEST_F(ConsoleLogTest, LinesAreKeptWithoutEscapeSequencesAndControlCharacters) {
  EXPECT_EQ(Logged({"\x1b[33mwarning:\x1b[0m be", "ware\n", "\x1b[1mround 1\x1b[0m\n"}),
            "warning: beware\nround 1\n");
  EXPECT_EQ(Logged({"a\a\b\x7f\tb \xC3\xA9\n"}), "a\tb \xC3\xA9\n");
  EXPECT_EQ(Logged({"\x1b", "[3", "3mred\n"}), "red\n") << "a sequence may come in pieces";
}

TEST_F(ConsoleLogTest, ALineThatRewritesItselfIsKeptOnceInAWhileAndAsItEnds) {
  EXPECT_EQ(Logged({"\rstep 1\x1b[K", "\rstep 2\x1b[K", "\rstep 3\x1b[K", "\n", "done\n"}),
            "step 1\nstep 3\ndone\n");
  EXPECT_EQ(Logged({"windows\r\n"}), "windows\n");
}

TEST_F(ConsoleLogTest, AFinishedLineIsThereBeforeTheLogIsClosedAndAnUnfinishedOneAfterIt) {
  {
    ConsoleLog log(path_);
    log.Write("first\nsec");
    EXPECT_EQ(ReadFile(path_), "first\n");
  }
  EXPECT_EQ(ReadFile(path_), "first\nsec\n");
  ConsoleLog(path_).Write("third\n");
  EXPECT_EQ(ReadFile(path_), "first\nsec\nthird\n") << "it is appended to";
}

TEST_F(ConsoleLogTest, WhatAProcessSaysOnItsErrorStreamsIsKeptAndShown) {
  const auto talk = [&] {
    KeepConsole(path_, "cohort train x.yaml (starts)");
    std::fprintf(stderr, "by %s\n", "stdio");
    std::cerr << "by "
              << "iostream" << std::endl;
    std::_Exit(3);
  };
  EXPECT_EXIT(talk(), testing::ExitedWithCode(3), "by stdio\nby iostream");
  const std::string log = ReadFile(path_);
  EXPECT_THAT(log, EndsWith("Z cohort train x.yaml (starts)\nby stdio\nby iostream\n"));
  EXPECT_THAT(log.substr(0, 20), testing::MatchesRegex("....-..-..T..:..:..Z"));
}

}  // namespace
}  // namespace cohort::base
