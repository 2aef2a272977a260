// cohort doctor: what this machine offers, and what is missing, with the reason and what to do.

#include <cstdio>

#include "base/exact_json.h"
#include "base/printable_text.h"
#include "reward/code/box/sandbox.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"

namespace cohort::rl {
namespace {

struct Finding {
  std::string area;  // what needs it, e.g. "code sandbox"
  std::string name;
  bool works;
  bool needed;  // without it what `area` names refuses to work
  std::string detail;
};

std::vector<Finding> CodeSandbox() {
  std::vector<Finding> findings;
  for (const auto& p : reward::judge::Sandbox::OfThisProcess().protections()) {
    findings.push_back({"code sandbox", p.name, p.works, p.needed, p.detail});
  }
  return findings;
}

// A new area is a function here.
std::vector<Finding> AllFindings() { return CodeSandbox(); }

const char* StateOf(const Finding& finding) {
  if (finding.works) return "ok";
  return finding.needed ? "MISSING" : "missing";
}

void Print(const std::vector<Finding>& findings, bool json) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    if (!json) {
      std::printf("%-8s %s: %s: %s\n", StateOf(finding), finding.area.c_str(), finding.name.c_str(),
                  base::PrintableText(finding.detail).c_str());
    }
    all.push_back({{"area", finding.area},
                   {"name", finding.name},
                   {"works", finding.works},
                   {"needed", finding.needed},
                   {"detail", finding.detail}});
  }
  if (json) base::PrintJsonLine(all);
}

}  // namespace

int RunDoctor(int argc, char** argv) {
  bool json = false;
  CLI::App app(
      "Checks this machine. Exits with 3 when something that is needed is missing. Example:\n"
      "  cohort doctor",
      "cohort doctor");
  app.add_flag("--json", json, "one JSON array on stdout");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  const std::vector<Finding> findings = AllFindings();
  Print(findings, json);
  for (const Finding& finding : findings) {
    if (finding.needed && !finding.works) return 3;
  }
  return 0;
}

}  // namespace cohort::rl
