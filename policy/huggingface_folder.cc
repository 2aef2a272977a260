#include "policy/huggingface_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/bounded_json.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "base/printable_text.h"
#include "policy/config/attention.h"
#include "policy/huggingface_texts.h"
#include "policy/weights/huggingface_weights.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

constexpr char kGenerationConfig[] = "generation_config.json";

void TakeTexts(HuggingFaceTexts texts, Model* model) {
  model->tokenizer = std::move(texts.tokenizer);
  model->chat_template = std::move(texts.chat_template);
  model->named_templates = std::move(texts.named_templates);
  model->chat_variables = std::move(texts.chat_variables);
}

// Adds an end token unless it is there. One outside of the vocabulary can never be drawn.
void AddEos(int64_t id, const std::string& from, ModelConfig* config) {
  if (id < 0 || id >= config->vocab_size) {
    base::PrintNote(from + ": leaving out the end token " + std::to_string(id) +
                    ", which is not in the vocabulary");
    return;
  }
  if (std::count(config->eos_ids.begin(), config->eos_ids.end(), id) == 0) {
    config->eos_ids.push_back(id);
  }
}

void AddEosOfTokenizer(const std::filesystem::path& folder, Model* model) {
  const json eos = model->chat_variables.value("eos_token", json());
  if (!eos.is_string()) return;
  const auto id = model->tokenizer->TokenId(eos.get<std::string>());
  if (id.has_value()) AddEos(*id, (folder / "tokenizer_config.json").string(), &model->config);
}

void AddEosOfGeneration(const std::filesystem::path& folder, Model* model) {
  const std::string path = (folder / kGenerationConfig).string();
  const json value = model->generation_config.value("eos_token_id", json());
  const json ids = value.is_array() ? value : json::array({value});
  for (const json& id : ids) {
    if (id.is_null()) continue;
    if (!id.is_number_integer()) {
      throw Error(ErrorCode::kUsage, path + ": eos_token_id is " + id.dump() +
                                         "; expected a token id or a list of them");
    }
    AddEos(id.get<int64_t>(), path, &model->config);
  }
}

json TokenizerConfig(const Model& model) {
  json out = {{"tokenizer_class", "PreTrainedTokenizerFast"},
              {"model_max_length", model.config.max_positions},
              {"clean_up_tokenization_spaces", false}};
  if (model.chat_variables.is_object()) out.update(model.chat_variables);
  if (model.chat_template != nullptr) out["chat_template"] = model.chat_template->source();
  return out;
}

// The end tokens that the model was found with stay as they were; without any such file,
// config.json's.
json GenerationConfig(const Model& model, const json& config) {
  if (model.generation_config.is_object() && !model.generation_config.empty()) {
    return model.generation_config;
  }
  return {{"bos_token_id", config["bos_token_id"]}, {"eos_token_id", config["eos_token_id"]}};
}

void WriteTemplates(const Model& model, const std::filesystem::path& folder) {
  if (model.chat_template != nullptr) {
    base::WriteFileDurably(folder / "chat_template.jinja", model.chat_template->source());
  }
  if (model.named_templates.empty()) return;
  const std::filesystem::path others = folder / "additional_chat_templates";
  std::filesystem::create_directories(others);
  for (const auto& [name, named] : model.named_templates) {
    base::WriteFileDurably(others / (name + ".jinja"), named->source());
  }
}

// A policy is trained as it decodes, as TRL's disable_dropout has it: Seed-OSS's
// published config asks for dropout.
void SayWhatIsNotApplied(const std::filesystem::path& config, const json& fields,
                         const ModelConfig& read) {
  std::string named;
  for (const auto& [key, value] : fields.items()) {
    const bool is_dropout = key.ends_with("dropout") || key.ends_with("pdrop");
    if (!is_dropout || !value.is_number() || value == 0) continue;
    named += (named.empty() ? "" : ", ") + key + " " + base::DumpJson(value);
  }
  if (!named.empty()) {
    base::PrintNote(config.string() +
                    ": not applied, since a policy is trained as it decodes: " + named);
  }
  if (fields.contains(kDualChunks) && !fields[kDualChunks].is_null()) {
    base::PrintNote(config.string() + ": " + kDualChunks + " is left out: sequences end at its " +
                    "chunk_size, " + std::to_string(read.max_positions) +
                    " tokens, within which it changes nothing");
  }
}

// deepseek_v3 and deepseek_v32 differ in the indexer of sparse attention alone, which is left out:
// the tensors tell whether model_type is right.
void CheckIndexer(const std::filesystem::path& folder, const json& fields,
                  const ModelConfig& read) {
  if (!read.attention.latent()) return;
  const std::optional<int64_t> count = CountIndexerTensors(folder);
  if (!count.has_value()) return;
  const std::string config = (folder / "config.json").string();
  const bool indexed = fields.at("model_type") == "deepseek_v32";
  if (*count > 0 && !indexed) {
    throw Error(ErrorCode::kUsage,
                config + ": model_type is " + base::DumpJson(fields.at("model_type")) +
                    ", expected \"deepseek_v32\": the folder has " + std::to_string(*count) +
                    " tensors of the indexer of its sparse attention (self_attn.indexer.*)",
                "take the config.json that the weights were published with; it has index_topk too");
  }
  if (*count == 0 && indexed) {
    base::PrintNote(config +
                    ": model_type is \"deepseek_v32\", and the folder has no tensors of "
                    "an indexer (self_attn.indexer.*), which are not needed: sequences "
                    "end at " +
                    std::to_string(read.max_positions) +
                    " tokens; for the "
                    "weights of a DeepSeek-V3, set model_type to deepseek_v3");
  }
}

}  // namespace

Model ReadHuggingFaceFolder(const std::filesystem::path& folder) {
  Model model;
  const std::filesystem::path config = folder / "config.json";
  const json fields = base::ReadBoundedJsonObject(config);
  model.config = ParseConfig(fields, config.string());
  SayWhatIsNotApplied(config, fields, model.config);
  CheckIndexer(folder, fields, model.config);
  TakeTexts(ReadHuggingFaceTexts(folder), &model);
  const std::filesystem::path generation = folder / kGenerationConfig;
  model.generation_config = std::filesystem::exists(generation)
                                ? base::ReadBoundedJsonObject(generation)
                                : json::object();
  AddEosOfTokenizer(folder, &model);
  AddEosOfGeneration(folder, &model);
  model.tokenizer = BoundedBy(model.config.vocab_size, std::move(model.tokenizer),
                              (folder / "tokenizer.json").string());
  return model;
}

Model ReadHuggingFaceFolderTexts(const std::filesystem::path& folder) {
  Model model;
  TakeTexts(ReadHuggingFaceTexts(folder), &model);
  model.config.vocab_size = model.tokenizer->vocab_size();
  return model;
}

void WriteHuggingFaceFolder(const Model& model, const std::filesystem::path& folder, Dtype dtype,
                            int64_t max_shard_bytes) {
  // Before the weights: a tokenizer.json that does not exist is missed here.
  const json tokenizer = model.tokenizer != nullptr ? model.tokenizer->ToJson() : json();
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
    write("tokenizer.json", tokenizer);
    write("tokenizer_config.json", TokenizerConfig(model));
  }
  WriteTemplates(model, folder);
  const json config = ConfigToJson(model.config, dtype);
  write(kGenerationConfig, GenerationConfig(model, config));
  write("config.json", config);  // last: a folder without it is not a model
}

}  // namespace cohort::policy
