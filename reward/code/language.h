#pragma once

#include <map>
#include <string>
#include <vector>

namespace cohort::reward::judge {

// The commands that compile and run submissions in a language, in a box's work folder.
struct Language {
  std::string name;
  std::vector<std::string> tags;     // info strings of its fenced blocks
  std::string file;                  // the source's name
  std::vector<std::string> compile;  // empty: nothing to compile
  std::vector<std::string> run;
};

// "python" and "cpp", and those of `commands`: "NAME=FILE:RUN" or "NAME=FILE:COMPILE:RUN" separated
// by ";", words separated by blanks, e.g. "c=main.c:gcc -O2 -o main main.c:./main;sh=a.sh:sh a.sh".
// A known name is replaced. Errors: kUsage.
std::map<std::string, Language> Languages(const std::string& commands);

}  // namespace cohort::reward::judge
