#include "reward/code/language.h"

#include <sstream>

#include "base/error.h"
#include "reward/code/script.h"

namespace cohort::reward::judge {
namespace {

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    if (separator != ' ' || !part.empty()) parts.push_back(part);
  }
  return parts;
}

[[noreturn]] void Refuse(const std::string& command) {
  throw Error(ErrorCode::kUsage,
              "reward 'code': option 'commands' has '" + command +
                  "', expected NAME=FILE:RUN or NAME=FILE:COMPILE:RUN, separated by ';'",
              "e.g. commands=c=main.c:gcc -O2 -o main main.c:./main;sh=a.sh:sh a.sh");
}

Language Parse(const std::string& command) {
  const size_t equals = command.find('=');
  if (equals == 0 || equals == std::string::npos) Refuse(command);
  const std::vector<std::string> parts = Split(command.substr(equals + 1), ':');
  if (parts.size() < 2 || parts.size() > 3) Refuse(command);
  Language language;
  language.name = command.substr(0, equals);
  language.tags = {language.name};
  language.file = parts[0];
  if (parts.size() == 3) language.compile = Split(parts[1], ' ');
  language.run = Split(parts.back(), ' ');
  const bool bad_file = language.file.empty() || language.file.find('/') != std::string::npos ||
                        language.file[0] == '.' || language.file.size() > 100;
  if (bad_file || language.run.empty() || (parts.size() == 3 && language.compile.empty())) {
    Refuse(command);
  }
  return language;
}

}  // namespace

std::map<std::string, Language> Languages(const std::string& commands) {
  std::map<std::string, Language> languages;
  // -I -S: the interpreter starts in half the time; the script adds what a submission misses.
  languages["python"] = {
      "python",
      {"python", "py", "python3"},
      "solution.py",
      {},
      {"/usr/bin/python3", "-I", "-S", "-c", ReadScript("run_program.py"), "solution.py"}};
  languages["cpp"] = {"cpp",
                      {"cpp", "c++", "cc", "cxx"},
                      "solution.cpp",
                      {"/usr/bin/g++", "-std=c++20", "-O2", "-w", "-fmax-errors=3", "-o",
                       "solution", "solution.cpp"},
                      {"./solution"}};
  for (const std::string& command : Split(commands, ';')) {
    if (command.empty()) continue;
    Language language = Parse(command);
    const std::string name = language.name;
    languages[name] = std::move(language);
  }
  return languages;
}

}  // namespace cohort::reward::judge
