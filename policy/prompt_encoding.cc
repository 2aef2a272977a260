#include "policy/prompt_encoding.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_place.h"
#include "base/nearest_name.h"

namespace cohort::policy {

namespace {

[[noreturn]] void RefuseWithoutTemplates() {
  throw Error(ErrorCode::kUsage, "the model has no chat template",
              "give plain text (data.chat=false, or no --chat), or a model with a template");
}

std::vector<std::string> TemplateNames(const Model& model) {
  std::vector<std::string> names;
  if (model.chat_template != nullptr) names.push_back("default");
  for (const auto& [name, unused] : model.named_templates) names.push_back(name);
  return names;
}

const ChatTemplate& TemplateNamed(const Model& model, const std::string& name) {
  if (name == "default" && model.chat_template != nullptr) return *model.chat_template;
  const auto found = model.named_templates.find(name);
  if (found != model.named_templates.end()) return *found->second;
  const std::vector<std::string> names = TemplateNames(model);
  if (names.empty()) RefuseWithoutTemplates();
  throw Error(ErrorCode::kUsage,
              "the model has no chat template named '" + name + "'" + base::DidYouMean(name, names),
              "it has: " + base::CommaSeparated(names));
}

}  // namespace

EncodedPrompt EncodeText(const Model& model, const std::string& text) {
  return {text, model.tokenizer->Encode(text, /*add_bos=*/true)};
}

TemplateInputs ReadTemplateInputs(const nlohmann::ordered_json& line) {
  TemplateInputs inputs;
  inputs.tools = line.value("tools", nlohmann::ordered_json());
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  for (const auto& [name, value] : line.items()) {
    const bool taken = name == "id" || name == "messages" || name == "prompt" || name == "ids" ||
                       name == "tools" || name == "add_generation_prompt" ||
                       name == "chat_template_kwargs";
    if (!taken) variables[name] = value;
  }
  inputs.kwargs = line.value("chat_template_kwargs", nlohmann::ordered_json());
  if (inputs.kwargs.is_null()) {
    inputs.kwargs = std::move(variables);
  } else if (inputs.kwargs.is_object()) {
    for (const auto& [name, value] : variables.items()) {
      if (!inputs.kwargs.contains(name)) inputs.kwargs[name] = value;
    }
  }
  return inputs;
}

const ChatTemplate& TemplateFor(const Model& model, const TemplateInputs& inputs) {
  if (!inputs.template_name.empty()) return TemplateNamed(model, inputs.template_name);
  const auto tool_use = model.named_templates.find("tool_use");
  if (!inputs.tools.is_null() && tool_use != model.named_templates.end()) return *tool_use->second;
  if (model.chat_template != nullptr) return *model.chat_template;
  if (model.named_templates.empty()) RefuseWithoutTemplates();
  throw Error(ErrorCode::kUsage,
              "the model has no default chat template, only those named " +
                  base::CommaSeparated(TemplateNames(model)),
              "data.chat_template=NAME says which one is meant");
}

nlohmann::ordered_json TemplateVariables(const Model& model, const TemplateInputs& inputs) {
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  if (model.chat_variables.is_object()) variables = model.chat_variables;
  if (!inputs.tools.is_null()) variables["tools"] = inputs.tools;
  if (inputs.kwargs.is_null()) return variables;
  if (!inputs.kwargs.is_object()) {
    throw Error(ErrorCode::kUsage,
                "chat_template_kwargs is " + inputs.kwargs.dump() + "; expected an object");
  }
  for (const auto& [name, value] : inputs.kwargs.items()) variables[name] = value;
  return variables;
}

EncodedPrompt EncodeMessages(const Model& model, const nlohmann::ordered_json& messages,
                             const TemplateInputs& inputs) {
  const std::string text =
      TemplateFor(model, inputs).Render(messages, true, TemplateVariables(model, inputs));
  return {text, model.tokenizer->Encode(text)};
}

std::vector<int32_t> EncodeCompletion(const Model& model, const std::string& completion) {
  std::vector<int32_t> ids = model.tokenizer->Encode(completion);
  if (!model.config.eos_ids.empty()) {
    ids.push_back(static_cast<int32_t>(model.config.eos_ids.front()));
  }
  return ids;
}

std::vector<int32_t> ReadTokenIds(const nlohmann::json& row, int64_t vocab_size) {
  const base::JsonPlace list = base::JsonPlace(row, "").Member("ids", "a list of token ids");
  std::vector<int32_t> ids(list.ListSize());
  for (size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<int32_t>(list.Entry(i).Integer(0, vocab_size - 1));
  }
  return ids;
}

std::vector<int32_t> StopIds(const Model& model) {
  return {model.config.eos_ids.begin(), model.config.eos_ids.end()};
}

std::string DecodeCompletion(const Model& model, const std::vector<int32_t>& ids) {
  size_t length = ids.size();
  const auto& stops = model.config.eos_ids;
  if (length > 0 && std::find(stops.begin(), stops.end(), ids.back()) != stops.end()) --length;
  return model.tokenizer->Decode({ids.data(), length});
}

}  // namespace cohort::policy
