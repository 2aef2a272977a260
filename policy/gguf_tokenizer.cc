// tokenizer.ggml.* -> TokenizerSpec.

#include "policy/gguf.h"

namespace cohort::policy {
namespace {

using Json = nlohmann::json;

Json ByteLevel(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json Sequence(Json first, Json second) {
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({first, second})}};
}

Json Isolate(const std::string& regex) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

// The pattern of Llama 3, and of Qwen 2 with digits one by one.
std::string Gpt4Pattern(const std::string& digits) {
  return R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)" + digits +
         R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

// tokenizer.json of deepseek-ai/DeepSeek-V3.
Json DeepSeekV3() {
  return {
      {"type", "Sequence"},
      {"pretokenizers",
       Json::array({Isolate(R"(\p{N}{1,3})"), Isolate("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
                    Isolate(R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)"
                            R"(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)"
                            R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"),
                    ByteLevel(false)})}};
}

// llama.cpp names each family's pre-tokenizer; Hugging Face writes it out.
Json PreTokenizerOf(const GgufFile& file) {
  const std::string name = file.String("tokenizer.ggml.pre");
  if (name == "gpt-2") return ByteLevel(true);
  if (name == "smollm") {
    return Sequence({{"type", "Digits"}, {"individual_digits", true}}, ByteLevel(true));
  }
  if (name == "llama-bpe" || name == "llama3") {
    return Sequence(Isolate(Gpt4Pattern(R"(\p{N}{1,3})")), ByteLevel(false));
  }
  if (name == "qwen2") {
    return Sequence(Isolate(Gpt4Pattern(R"(\p{N})")), ByteLevel(false));
  }
  if (name == "deepseek-v3") return DeepSeekV3();
  file.Refuse("tokenizer.ggml.pre '" + name + "' is not supported",
              "supported: gpt-2, smollm, llama-bpe, qwen2, deepseek-v3");
}

const Json& Array(const GgufFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end() || !found->second.is_array()) {
    file.Refuse("metadata key '" + key + "' is missing or no array");
  }
  return found->second;
}

void ReadTokens(const GgufFile& file, TokenizerSpec* spec) {
  for (const Json& token : Array(file, "tokenizer.ggml.tokens")) {
    if (!token.is_string()) file.Refuse("tokenizer.ggml.tokens holds something else than strings");
    spec->tokens.push_back(token.get<std::string>());
  }
  if (static_cast<int64_t>(spec->tokens.size()) > kMaxTokenId) {
    file.Refuse("tokenizer.ggml.tokens has " + std::to_string(spec->tokens.size()) + " tokens");
  }
}

void ReadAddedTokens(const GgufFile& file, TokenizerSpec* spec) {
  constexpr int kControl = 3, kUserDefined = 4;  // llama.h, enum llama_token_type
  const std::string key = "tokenizer.ggml.token_type";
  if (!file.Has(key)) return;
  const Json& types = Array(file, key);
  if (types.size() != spec->tokens.size()) {
    file.Refuse(key + " has " + std::to_string(types.size()) + " entries for " +
                std::to_string(spec->tokens.size()) + " tokens");
  }
  for (size_t id = 0; id < types.size(); ++id) {
    if (types[id] != kControl && types[id] != kUserDefined) continue;
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.content = spec->tokens[id];
    token.special = types[id] == kControl;
    spec->added_tokens.push_back(std::move(token));
  }
}

void ReadMerges(const GgufFile& file, TokenizerSpec* spec) {
  const TokenIndex index = IndexTokens(spec->tokens);
  for (const Json& merge : Array(file, "tokenizer.ggml.merges")) {
    if (!merge.is_string()) file.Refuse("tokenizer.ggml.merges holds something else than strings");
    spec->merges.push_back(
        ReadMerge(index, merge.get<std::string>(), spec->merges.size(), file.source()));
  }
}

// Llama 3 wants its first token before every text.
Json PostProcessorOf(const GgufFile& file, const TokenizerSpec& spec) {
  if (!file.Bool("tokenizer.ggml.add_bos_token", false)) return nullptr;
  const int64_t id = file.Integer("tokenizer.ggml.bos_token_id");
  if (id < 0 || id >= static_cast<int64_t>(spec.tokens.size())) {
    file.Refuse("tokenizer.ggml.bos_token_id is " + std::to_string(id) + ", which no token has");
  }
  const std::string bos = spec.tokens[static_cast<size_t>(id)];
  const Json token = {{"SpecialToken", {{"id", bos}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json second_text = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({token, text})},
          {"pair", Json::array({token, text, second_text})},
          {"special_tokens",
           {{bos, {{"id", bos}, {"ids", Json::array({id})}, {"tokens", Json::array({bos})}}}}}};
}

}  // namespace

TokenizerSpec GgufTokenizer(const GgufFile& file) {
  const std::string model = file.String("tokenizer.ggml.model");
  if (model != "gpt2") {
    file.Refuse("tokenizer.ggml.model '" + model + "' is not supported",
                "supported: gpt2 (byte-level BPE)");
  }
  TokenizerSpec spec;
  ReadTokens(file, &spec);
  ReadAddedTokens(file, &spec);
  ReadMerges(file, &spec);
  spec.pre_tokenizer = PreTokenizerOf(file);
  if (file.String("tokenizer.ggml.pre") == "qwen2") spec.normalizer = {{"type", "NFC"}};
  spec.post_processor = PostProcessorOf(file, spec);
  return spec;
}

}  // namespace cohort::policy
