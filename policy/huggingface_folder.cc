#include "policy/huggingface_folder.h"

#include <nlohmann/json.hpp>

#include "base/bounded_json.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "policy/weights/huggingface_weights.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

// "bos_token": "<s>", or the older {"content": "<s>", ...}.
json ReadChatVariables(const json& tokenizer_config) {
  json variables = json::object();
  for (const char* key : {"bos_token", "eos_token", "pad_token", "unk_token"}) {
    const json value = tokenizer_config.value(key, json());
    if (value.is_string()) variables[key] = value;
    if (value.is_object() && value.value("content", json()).is_string()) {
      variables[key] = value["content"];
    }
  }
  return variables;
}

// chat_template: a text, or a list of named texts of which "default" counts.
std::string EmbeddedTemplate(const json& tokenizer_config, const std::filesystem::path& path) {
  const json value = tokenizer_config.value("chat_template", json());
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) {
    for (const json& item : value) {
      if (item.is_object() && item.value("name", json()) == "default" &&
          item.value("template", json()).is_string()) {
        return item["template"].get<std::string>();
      }
    }
  }
  throw Error(ErrorCode::kUsage, path.string() + ": chat_template is neither a text nor a list " +
                                     "with a template named 'default'");
}

json TokenizerConfig(const Model& model) {
  json out = {{"tokenizer_class", "PreTrainedTokenizerFast"},
              {"model_max_length", model.config.max_positions},
              {"clean_up_tokenization_spaces", false}};
  if (model.chat_variables.is_object()) out.update(model.chat_variables);
  if (model.chat_template != nullptr) out["chat_template"] = model.chat_template->source();
  return out;
}

}  // namespace

Model ReadHuggingFaceFolder(const std::filesystem::path& folder) {
  Model model;
  model.config = ReadConfig(folder / "config.json");
  model.tokenizer = ReadTokenizer(folder / "tokenizer.json");
  if (model.tokenizer->vocab_size() > model.config.vocab_size) {
    throw Error(ErrorCode::kUsage, (folder / "tokenizer.json").string() + ": token ids up to " +
                                       std::to_string(model.tokenizer->vocab_size() - 1) +
                                       ", but config.json has vocab_size " +
                                       std::to_string(model.config.vocab_size));
  }
  const std::filesystem::path config_path = folder / "tokenizer_config.json";
  const bool has_config = std::filesystem::exists(config_path);
  const json tokenizer_config =
      has_config ? base::ReadBoundedJsonObject(config_path) : json::object();
  model.chat_variables = ReadChatVariables(tokenizer_config);
  const std::filesystem::path template_path = folder / "chat_template.jinja";
  const std::string source = std::filesystem::exists(template_path)
                                 ? base::ReadFile(template_path)
                                 : EmbeddedTemplate(tokenizer_config, config_path);
  if (!source.empty()) model.chat_template = std::make_shared<ChatTemplate>(source);
  return model;
}

void WriteHuggingFaceFolder(const Model& model, const std::filesystem::path& folder, Dtype dtype,
                            int64_t max_shard_bytes) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) {
    throw Error(ErrorCode::kEnvironment,
                "cannot create folder " + folder.string() + ": " + failed.message());
  }
  WriteHuggingFaceWeights(folder, model.config, model.weights, dtype, max_shard_bytes);
  const auto write = [&](const char* name, const json& value) {
    base::WriteFileDurably(folder / name, value.dump(2) + "\n");
  };
  if (model.tokenizer != nullptr) {
    write("tokenizer.json", model.tokenizer->ToJson());
    write("tokenizer_config.json", TokenizerConfig(model));
  }
  if (model.chat_template != nullptr) {
    base::WriteFileDurably(folder / "chat_template.jinja", model.chat_template->source());
  }
  const json config = ConfigToJson(model.config, dtype);
  write("generation_config.json",
        {{"bos_token_id", config["bos_token_id"]}, {"eos_token_id", config["eos_token_id"]}});
  write("config.json", config);  // last: a folder without it is not a model
}

}  // namespace cohort::policy
