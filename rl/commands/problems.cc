// cohort problems: print a built-in generator's problems as a dataset.

#include <cstdio>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"
#include "rl/data/problem_generator.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

proto::Data::Generator GeneratorNamed(const std::string& name) {
  if (const auto generator = EnumOf<proto::Data::Generator>(name)) return *generator;
  throw Error(ErrorCode::kUsage, "no problem generator '" + name + "'",
              "there are: addition, word_problems");
}

}  // namespace

int RunProblems(int argc, char** argv) {
  std::string kind;
  uint64_t count = 10, seed = 1;
  CLI::App app(
      "Prints generated problems as JSON lines. Example:\n"
      "  cohort problems --kind word_problems --count 1000 > problems.jsonl",
      "cohort problems");
  app.add_option("--kind", kind, "addition or word_problems")->required();
  app.add_option("--count", count)->check(CLI::NonNegativeNumber);
  app.add_option("--seed", seed);
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  const proto::Data::Generator generator = GeneratorNamed(kind);
  for (uint64_t i = 0; i < count; ++i) {
    const Problem problem = GenerateProblem(generator, seed, i);
    const base::Json row = {
        {"prompt", problem.prompt}, {"answer", problem.answer}, {"completion", problem.completion}};
    base::PrintJsonLine(row);
  }
  return 0;
}

}  // namespace cohort::rl
