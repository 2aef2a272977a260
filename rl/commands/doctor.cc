// cohort doctor: what this machine offers, and what is missing, with the reason and what to do.

#include <cmath>
#include <cstdio>
#include <utility>

#include "base/exact_json.h"
#include "base/printable_text.h"
#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/machine_rates.h"
#include "kernels/cpu/ops.h"
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

std::string Rounded(double rate) { return std::to_string(std::llround(rate)); }

// What the products of training and decoding can reach here.
std::vector<Finding> Processor() {
  kernels::ThreadPool pool(0);
  const kernels::MachineRates rates = kernels::MeasureMachineRates(pool);
  const std::string isa = kernels::IsaName(kernels::BestOps().isa);
  const kernels::Bf16Products& products = kernels::ThisBf16Products();
  const bool gains = rates.bf16_gflop_per_s > 1.2 * rates.fma_gflop_per_s;
  const std::string bf16 =
      "optimizer.precision: bfloat16 " + std::string(gains ? "gains" : "gains nothing") +
      " here: " + Rounded(rates.bf16_gflop_per_s) + " GFLOP/s in the class " +
      kernels::NumericsName(rates.bf16_numerics) + ", float32 " + Rounded(rates.fma_gflop_per_s) +
      ", on " + std::to_string(pool.size()) + " threads; fp8 is emulated, exactly and no faster";
  return {{"processor", "instruction set", true, false,
           isa + ", memory read at " + Rounded(rates.read_gb_per_s) + " GB/s"},
          {"processor", "bfloat16 products", gains, false, bf16},
          {"processor", "AMX", products.on_tiles, false, products.amx}};
}

// A new area is a function here.
std::vector<Finding> AllFindings() {
  std::vector<Finding> findings = CodeSandbox();
  for (Finding& finding : Processor()) findings.push_back(std::move(finding));
  return findings;
}

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
