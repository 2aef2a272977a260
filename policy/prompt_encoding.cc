#include "policy/prompt_encoding.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_place.h"

namespace cohort::policy {

EncodedPrompt EncodeText(const Model& model, const std::string& text) {
  return {text, model.tokenizer->Encode(text, /*add_bos=*/true)};
}

nlohmann::ordered_json TemplateVariables(const Model& model, const nlohmann::ordered_json& tools) {
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  if (model.chat_variables.is_object()) variables = model.chat_variables;
  if (!tools.is_null()) variables["tools"] = tools;
  return variables;
}

EncodedPrompt EncodeMessages(const Model& model, const nlohmann::ordered_json& messages,
                             const nlohmann::ordered_json& tools) {
  if (model.chat_template == nullptr) {
    throw Error(ErrorCode::kUsage, "the model has no chat template",
                "give plain text (data.chat=false, or no --chat), or a model with a template");
  }
  const std::string text =
      model.chat_template->Render(messages, true, TemplateVariables(model, tools));
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
