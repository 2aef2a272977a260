// cohort replay: a recorded step of a run, computed again.

#include "rl/run/replay.h"

#include <cstdio>

#include "base/error.h"
#include "base/json_lines.h"
#include "base/printable_text.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"

namespace cohort::rl {
namespace {

using base::OrderedJson;

constexpr int kDiffers = 1;  // as cmp and diff have it

void PrintRow(const std::string& name, const ReplayedFigure& figure) {
  std::printf("%-28s %24.17g %24.17g  %s\n", name.c_str(), figure.recorded, figure.recomputed,
              figure.equal() ? "equal" : "DIFFERENT");
}

void PrintTable(const ReplayReport& report) {
  std::printf("step %lld, round %d (%s), %lld samples, from %s %lld\n\n",
              static_cast<long long>(report.step), report.round, report.kind.c_str(),
              static_cast<long long>(report.samples),
              report.start > 0 ? "the checkpoint of step" : "the policy of step",
              static_cast<long long>(report.start));
  std::printf("%-28s %24s %24s\n", "", "recorded", "recomputed");
  if (report.differing_advantage.has_value()) {
    PrintRow(report.differing_advantage->name, *report.differing_advantage);
    std::printf("%-28s %lld of %lld differ\n", "advantages",
                static_cast<long long>(report.differing_advantages),
                static_cast<long long>(report.advantages));
  } else if (report.advantages > 0) {
    std::printf("%-28s %24lld %24lld  equal\n", "advantages",
                static_cast<long long>(report.advantages),
                static_cast<long long>(report.advantages));
  }
  for (const ReplayedFigure& figure : report.figures) PrintRow(figure.name, figure);
  if (report.weights_equal.has_value()) {
    std::printf(
        "%-28s %s\n", "weights afterwards",
        *report.weights_equal ? "equal to the checkpoint's" : "DIFFERENT from the checkpoint's");
  }
  std::printf("\n%s\n", report.equal() ? "equal, bit for bit" : "NOT equal");
}

OrderedJson FigureJson(const ReplayedFigure& figure) {
  return {{"name", figure.name},
          {"recorded", figure.recorded},
          {"recomputed", figure.recomputed},
          {"equal", figure.equal()}};
}

OrderedJson ReportJson(const ReplayReport& report) {
  OrderedJson json = {{"step", report.step},
                      {"round", report.round},
                      {"kind", report.kind},
                      {"from_step", report.start},
                      {"samples", report.samples},
                      {"advantages", report.advantages},
                      {"differing_advantages", report.differing_advantages}};
  if (report.differing_advantage) {
    json["first_differing_advantage"] = FigureJson(*report.differing_advantage);
  }
  json["figures"] = OrderedJson::array();
  for (const ReplayedFigure& figure : report.figures) json["figures"].push_back(FigureJson(figure));
  if (report.diverged_at) json["differs_since_step"] = *report.diverged_at;
  if (report.weights_equal) json["weights_equal"] = *report.weights_equal;
  json["platform_changes"] = report.platform_changes;
  json["equal"] = report.equal();
  return json;
}

}  // namespace

int RunReplay(int argc, char** argv) {
  std::string run;
  int64_t step = 0;
  bool as_json = false;
  CLI::App app(
      "Computes a recorded step of a run again, from the journal and the newest checkpoint before "
      "it, and compares advantages, loss and gradient norm bit for bit. Rewards are taken as "
      "recorded; no process is started. Exit codes: 0 equal, 1 different, else as everywhere. "
      "Example:\n"
      "  cohort replay runs/quickstart --step 120",
      "cohort replay");
  app.add_option("run", run, "run folder")->required();
  app.add_option("--step", step, "step of the run, as metrics.jsonl counts them")
      ->required()
      ->check(CLI::PositiveNumber);
  app.add_flag("--json", as_json, "one JSON object");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;

  const ReplayReport report =
      ReplayStep(run, step, [](const std::string& line) { base::PrintNote(line); });
  if (as_json) {
    std::printf("%s\n", ReportJson(report).dump().c_str());
  } else {
    PrintTable(report);
  }
  return report.equal() ? 0 : kDiffers;
}

}  // namespace cohort::rl
