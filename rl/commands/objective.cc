// cohort objective: advantages, loss and gradient of an objective on given logprobs, in fp64.

#include <iostream>
#include <iterator>
#include <sstream>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "base/printable_text.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"
#include "rl/objectives/explain.h"
#include "rl/objectives/objective_case.h"

namespace cohort::rl {
namespace {

using base::Json;

constexpr const char* kExample = R"(Example:
  echo '{"objective": {"preset": "dapo"}, "groups": [{"rewards": [1, 0],
    "policy_logprobs": [[-0.5, -1.2], [-0.3]], "old_logprobs": null,
    "rollout_logprobs": null, "ref_logprobs": null}]}' | cohort objective --input - --json)";

Json ToJson(const std::vector<std::vector<std::optional<double>>>& advantages) {
  Json groups = Json::array();
  for (const auto& group : advantages) {
    Json row = Json::array();
    for (const auto& advantage : group) row.push_back(advantage ? Json(*advantage) : Json(nullptr));
    groups.push_back(row);
  }
  return groups;
}

Json ToJson(const ObjectiveCase& objective_case, const CaseResult& result) {
  const PolicyLossMetrics& metrics = result.metrics;
  Json json = {{"advantages", ToJson(result.advantages)},
               {"loss", result.loss},
               {"grad", result.grad},
               {"metrics",
                {{"num_tokens", metrics.num_tokens},
                 {"clip_fraction", metrics.clip_fraction()},
                 {"kl", metrics.kl()},
                 {"ratio_mean", metrics.ratio_mean()},
                 {"ratio_max", metrics.ratio_max}}}};
  if (metrics.gap_tokens > 0) {
    json["metrics"]["logprob_gap_mean"] = metrics.gap_mean();
    json["metrics"]["logprob_gap_max"] = metrics.gap_max;
  }
  if (!objective_case.name.empty()) json["name"] = objective_case.name;
  return json;
}

void Print(const Json& json, bool as_json) {
  const ObjectiveCase objective_case = ParseObjectiveCase(json);
  const Json result = ToJson(objective_case, EvaluateCase(objective_case));
  if (as_json) {
    base::PrintJsonLine(result);
    return;
  }
  if (!objective_case.name.empty()) {
    std::cout << "case       " << base::PrintableText(objective_case.name) << "\n";
  }
  std::cout << Explain(objective_case.objective) << "\n";
  for (size_t p = 0; p < objective_case.groups.size(); ++p) {
    std::cout << "group " << p << ": advantages " << result["advantages"][p].dump() << "\n"
              << "         grad " << result["grad"][p].dump() << "\n";
  }
  std::cout << "loss " << result["loss"].dump() << "\nmetrics " << result["metrics"].dump() << "\n";
}

std::string ReadInput(const std::string& input) {
  if (input != "-") return base::ReadFile(input);
  return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
}

Error AtLine(const std::string& source, int line, const Error& error) {
  return Error(error.code(), source + ":" + std::to_string(line) + ": " + error.what(),
               error.hint());
}

// JSON lines, one case each.
void PrintLines(const std::string& text, const std::string& source, bool as_json) {
  std::istringstream lines(text);
  std::string row;
  for (int line = 1; std::getline(lines, row); ++line) {
    if (row.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      Print(Json::parse(row), as_json);
    } catch (const Error& error) {
      throw AtLine(source, line, error);
    } catch (const Json::exception& error) {
      throw AtLine(source, line, Error(ErrorCode::kUsage, error.what()));
    }
  }
}

bool FirstLineIsAnObject(const std::string& text) {
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) return false;
  const size_t end = text.find('\n', start);
  return Json::parse(text.substr(start, end - start), nullptr, false).is_object();
}

void PrintCases(const std::string& text, const std::string& source, bool as_json) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {  // several objects, a number beyond fp64, or not JSON
    if (FirstLineIsAnObject(text)) return PrintLines(text, source, as_json);
    throw Error(ErrorCode::kUsage, source + ": " + error.what(),
                "see cohort objective --help for an example");
  }
  try {
    Print(json, as_json);
  } catch (const Error& error) {
    throw Error(error.code(), source + ": " + error.what(), error.hint());
  }
}

}  // namespace

int RunObjective(int argc, char** argv) {
  CLI::App app("Advantages, loss and gradient of an objective on given logprobs, in fp64.",
               "cohort objective");
  app.footer(kExample);
  std::string input;
  bool as_json = false;
  app.add_option("--input", input, "a case, or JSON lines with one case each; - reads stdin")
      ->required();
  app.add_flag("--json", as_json, "one JSON object a case: advantages, loss, grad, metrics");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  PrintCases(ReadInput(input), input == "-" ? "stdin" : input, as_json);
  return 0;
}

}  // namespace cohort::rl
