// tokenizer.ggml.* -> TokenizerSpec.

#include "policy/gguf/tokenizer.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "policy/gguf/pre_tokenizer.h"
#include "policy/gguf/sentencepiece_merges.h"

namespace cohort::policy {
namespace {

using Json = nlohmann::json;

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
  constexpr int kUnknown = 2, kControl = 3, kUserDefined = 4;  // llama.h, enum llama_token_type
  const std::string key = "tokenizer.ggml.token_type";
  if (!file.Has(key)) return;
  const Json& types = Array(file, key);
  if (types.size() != spec->tokens.size()) {
    file.Refuse(key + " has " + std::to_string(types.size()) + " entries for " +
                std::to_string(spec->tokens.size()) + " tokens");
  }
  for (size_t id = 0; id < types.size(); ++id) {
    const bool special = types[id] == kUnknown || types[id] == kControl;
    if (!special && types[id] != kUserDefined) continue;
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.content = spec->tokens[id];
    token.special = special;
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

// SentencePiece's BPE: a score instead of a list of merges.
void ReadScores(const GgufFile& file, TokenizerSpec* spec) {
  const std::string key = "tokenizer.ggml.scores";
  const Json& json = Array(file, key);
  if (json.size() != spec->tokens.size()) {
    file.Refuse(key + " has " + std::to_string(json.size()) + " entries for " +
                std::to_string(spec->tokens.size()) + " tokens");
  }
  std::vector<float> scores;
  for (const Json& score : json) {
    // NaN would leave the order of merges open.
    if (!score.is_number() || std::isnan(score.get<float>())) {
      file.Refuse(key + " holds something else than numbers");
    }
    scores.push_back(score.get<float>());
  }
  // Every place where a token can be cut is tried, which takes long for a long token.
  constexpr size_t kMaxTokenBytes = 1024;
  for (const std::string& token : spec->tokens) {
    if (token.size() > kMaxTokenBytes) {
      file.Refuse("tokenizer.ggml.tokens has a token of " + std::to_string(token.size()) +
                  " bytes; expected at most " + std::to_string(kMaxTokenBytes));
    }
  }
  spec->merges = MergesOfScores(spec->tokens, scores);
}

// The id that a key names; `missing` stands for an absent one unless it is negative.
int32_t TokenIdOf(const GgufFile& file, const TokenizerSpec& spec, const std::string& key,
                  int64_t missing) {
  const int64_t id = missing < 0 ? file.Integer(key) : file.Integer(key, missing);
  if (id < 0 || id >= static_cast<int64_t>(spec.tokens.size()) ||
      spec.tokens[static_cast<size_t>(id)].empty()) {
    file.Refuse(key + " is " + std::to_string(id) + ", which no token has");
  }
  return static_cast<int32_t>(id);
}

struct AddedAround {
  std::optional<int32_t> bos, eos;  // what a text begins and ends with
};

// llama.cpp, llama_vocab::impl::load, by tokenizer.ggml.pre. Words of these are looked up before
// they are merged.
constexpr std::string_view kWholeWords[] = {
    "llama-bpe", "llama3",   "llama-v3", "falcon3", "falcon-h1",
    "pixtral",   "midm-2.0", "lfm2",     "tekken",  "jina-v5-nano",
    "minicpm5",  "youtu",    "glm4",     "glm5",    "granite-embed-multi-97m"};
// These want their first token before every text where the file does not say.
constexpr std::string_view kBegun[] = {"llama-bpe", "llama3",       "llama-v3", "falcon3",
                                       "falcon-h1", "pixtral",      "midm-2.0", "lfm2",
                                       "tekken",    "jina-v5-nano", "chameleon"};
// These models' tokenizer.json composes characters, which GGUF has no key for.
constexpr std::string_view kComposed[] = {"qwen2", "deepseek-r1-qwen", "f2llmv2", "qwen35"};

bool IsAmong(const std::string& name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string PreTokenizerName(const GgufFile& file) {
  return file.String("tokenizer.ggml.pre", "default");
}

AddedAround AroundOf(const GgufFile& file, const TokenizerSpec& spec) {
  const bool characters = spec.alphabet == TokenizerSpec::Alphabet::kCharacters;
  AddedAround around;
  const bool begun = characters || IsAmong(PreTokenizerName(file), kBegun);
  if (file.Bool("tokenizer.ggml.add_bos_token", begun)) {
    around.bos = TokenIdOf(file, spec, "tokenizer.ggml.bos_token_id", characters ? 1 : -1);
  }
  if (file.Bool("tokenizer.ggml.add_eos_token", false)) {
    around.eos = TokenIdOf(file, spec, "tokenizer.ggml.eos_token_id", characters ? 2 : -1);
  }
  return around;
}

Json PostProcessorOf(const AddedAround& around, const std::vector<std::string>& token) {
  if (!around.bos.has_value() && !around.eos.has_value()) return nullptr;
  Json single = Json::array(), pair = Json::array(), special_tokens = Json::object();
  for (const int type : {0, 1}) {
    Json part = Json::array();
    const auto add = [&](const std::optional<int32_t>& id) {
      if (!id.has_value()) return;
      const std::string& text = token[static_cast<size_t>(*id)];
      part.push_back({{"SpecialToken", {{"id", text}, {"type_id", type}}}});
      special_tokens[text] = {
          {"id", text}, {"ids", Json::array({*id})}, {"tokens", Json::array({text})}};
    };
    add(around.bos);
    part.push_back({{"Sequence", {{"id", type == 0 ? "A" : "B"}, {"type_id", type}}}});
    add(around.eos);
    if (type == 0) single = part;
    pair.insert(pair.end(), part.begin(), part.end());
  }
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special_tokens}};
}

// Byte-level BPE, as llama.cpp reads it: Llama 3's takes whole tokens whatever the merges say.
TokenizerSpec ByteLevelSpec(const GgufFile& file) {
  TokenizerSpec spec;
  ReadTokens(file, &spec);
  ReadAddedTokens(file, &spec);
  ReadMerges(file, &spec);
  spec.pre_tokenizer = GgufPreTokenizer(file);
  spec.ignore_merges = IsAmong(PreTokenizerName(file), kWholeWords);
  if (IsAmong(PreTokenizerName(file), kComposed)) spec.normalizer = {{"type", "NFC"}};
  return spec;
}

// The contents of Llama 2's tokenizer.json, with a space before a text where the file asks for it.
TokenizerSpec SentencePieceSpec(const GgufFile& file) {
  const std::string mark = "\u2581";
  TokenizerSpec spec;
  spec.alphabet = TokenizerSpec::Alphabet::kCharacters;
  spec.byte_fallback = true;
  spec.fuse_unk = true;
  ReadTokens(file, &spec);
  ReadAddedTokens(file, &spec);
  file.Has("tokenizer.ggml.merges") ? ReadMerges(file, &spec) : ReadScores(file, &spec);
  const int32_t unk = TokenIdOf(file, spec, "tokenizer.ggml.unknown_token_id", 0);
  spec.unk_token = spec.tokens[static_cast<size_t>(unk)];
  const bool prefix = file.Bool("tokenizer.ggml.add_space_prefix", true);
  Json steps = Json::array();
  if (prefix) steps.push_back({{"type", "Prepend"}, {"prepend", mark}});
  steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", mark}});
  Json parts =
      Json::array({{{"type", "Replace"}, {"pattern", {{"String", mark}}}, {"content", " "}},
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}}});
  if (prefix) parts.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  spec.normalizer = {{"type", "Sequence"}, {"normalizers", steps}};
  spec.decoder = {{"type", "Sequence"}, {"decoders", parts}};
  return spec;
}

}  // namespace

TokenizerSpec GgufTokenizer(const GgufFile& file) {
  const std::string model = file.String("tokenizer.ggml.model");
  if (model != "gpt2" && model != "llama") {
    file.Refuse("tokenizer.ggml.model '" + model + "' is not supported",
                "supported: gpt2 (byte-level BPE), llama (SentencePiece's BPE)");
  }
  TokenizerSpec spec = model == "llama" ? SentencePieceSpec(file) : ByteLevelSpec(file);
  spec.post_processor = PostProcessorOf(AroundOf(file, spec), spec.tokens);
  return spec;
}

}  // namespace cohort::policy
