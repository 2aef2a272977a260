#include "policy/huggingface_texts.h"

#include <algorithm>
#include <utility>

#include "base/bounded_json.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_place.h"
#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {
namespace {

using base::JsonPlace;
using nlohmann::json;

// Stands where a folder has no tokenizer.json: token ids can be used, texts cannot.
class MissingTokenizer : public Tokenizer {
 public:
  explicit MissingTokenizer(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::vector<int32_t> Encode(std::string_view, bool) const override { Refuse(); }
  std::string Decode(std::span<const int32_t>, bool, bool) const override { Refuse(); }
  int32_t vocab_size() const override { Refuse(); }
  std::optional<int32_t> TokenId(std::string_view) const override { return std::nullopt; }
  json ToJson() const override { Refuse(); }

 private:
  [[noreturn]] void Refuse() const {
    const bool sentencepiece = std::filesystem::exists(folder_ / "tokenizer.model");
    throw Error(
        ErrorCode::kEnvironment, (folder_ / "tokenizer.json").string() + " does not exist",
        std::string(sentencepiece ? "the folder has a SentencePiece tokenizer.model: make"
                                  : "make") +
            " tokenizer.json of it once: python3 -c \"from transformers import AutoTokenizer; "
            "AutoTokenizer.from_pretrained('" +
            folder_.string() + "').save_pretrained('" + folder_.string() + "')\"");
  }

  std::filesystem::path folder_;
};

class BoundedTokenizer : public Tokenizer {
 public:
  BoundedTokenizer(int64_t bound, std::shared_ptr<const Tokenizer> inner, std::string source)
      : bound_(bound), inner_(std::move(inner)), source_(std::move(source)) {}

  std::vector<int32_t> Encode(std::string_view text, bool add_bos) const override {
    std::vector<int32_t> ids = inner_->Encode(text, add_bos);
    for (const int32_t id : ids) {
      if (id < bound_) continue;
      throw Error(ErrorCode::kUsage, source_ + ": the text has the token '" +
                                         inner_->Decode({&id, 1}) + "' of id " +
                                         std::to_string(id) + ", but config.json has vocab_size " +
                                         std::to_string(bound_));
    }
    return ids;
  }
  std::string Decode(std::span<const int32_t> ids, bool skip_special,
                     bool continues) const override {
    return inner_->Decode(ids, skip_special, continues);
  }
  int32_t vocab_size() const override { return inner_->vocab_size(); }
  std::optional<int32_t> TokenId(std::string_view token) const override {
    return inner_->TokenId(token);
  }
  json ToJson() const override { return inner_->ToJson(); }

 private:
  const int64_t bound_;
  const std::shared_ptr<const Tokenizer> inner_;
  const std::string source_;
};

json ObjectIfThere(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? base::ReadBoundedJsonObject(path) : json::object();
}

// "bos_token": "<s>", or {"content": "<s>", ...}; nothing for another value.
std::optional<std::string> TokenText(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.value("content", json()).is_string()) {
    return value["content"].get<std::string>();
  }
  return std::nullopt;
}

// Every "NAME_token" that is a text, as templates are given them.
void TakeTokenTexts(const json& object, json* variables) {
  for (const auto& [key, value] : object.items()) {
    if (!key.ends_with("_token")) continue;
    if (const auto text = TokenText(value)) (*variables)[key] = *text;
  }
  const json extra = object.value("extra_special_tokens", json());
  if (!extra.is_object()) return;
  for (const auto& [key, value] : extra.items()) {
    if (const auto text = TokenText(value)) (*variables)[key] = *text;
  }
}

// Tokens of tokenizer_config.json's added_tokens_decoder, by id: what stands there of a token that
// tokenizer.json has too wins, as it does in transformers.
void AddTokens(const JsonPlace& config, TokenizerSpec* spec) {
  const auto decoder = config.Optional("added_tokens_decoder");
  if (!decoder) return;
  const TokenIndex known = IndexTokens(spec->tokens);
  if (!decoder->IsObject()) decoder->Refuse("an object from id to token");
  for (const auto& [key, unused] : decoder->value().items()) {
    const JsonPlace entry = decoder->Member(key, "a token");
    AddedToken token;
    token.content = entry.Text("content");
    token.special = entry.BoolOr("special", false);
    token.single_word = entry.BoolOr("single_word", false);
    token.lstrip = entry.BoolOr("lstrip", false);
    token.rstrip = entry.BoolOr("rstrip", false);
    token.normalized = entry.BoolOr("normalized", !token.special);
    const bool digits =
        !key.empty() && key.size() < 9 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) entry.Refuse("a token under its id");
    token.id = static_cast<int32_t>(std::stol(key));
    const auto same = std::find_if(spec->added_tokens.begin(), spec->added_tokens.end(),
                                   [&](const AddedToken& t) { return t.content == token.content; });
    const auto word = known.find(token.content);
    if (same != spec->added_tokens.end()) {
      token.id = same->id;
      *same = token;
      continue;
    }
    if (word != known.end()) token.id = word->second;
    const auto taken = std::find_if(spec->added_tokens.begin(), spec->added_tokens.end(),
                                    [&](const AddedToken& t) { return t.id == token.id; });
    const size_t id = static_cast<size_t>(token.id);
    if (taken != spec->added_tokens.end() ||
        (word == known.end() && id < spec->tokens.size() && !spec->tokens[id].empty())) {
      entry.Fail("is '" + token.content + "', but tokenizer.json has another token of that id");
    }
    spec->added_tokens.push_back(token);
  }
}

std::shared_ptr<const Tokenizer> ReadTokenizerOf(const std::filesystem::path& folder,
                                                 const JsonPlace& config) {
  const std::filesystem::path path = folder / "tokenizer.json";
  if (!std::filesystem::exists(path)) return std::make_shared<MissingTokenizer>(folder);
  const std::string source = path.string();
  TokenizerSpec spec =
      ParseTokenizerJson(base::ParseBoundedJson(base::ReadFile(path), source), source);
  AddTokens(config, &spec);
  return MakeTokenizer(std::move(spec), source);
}

// Sources by name, "default" for one that has none. chat_template: a text, a list of named texts,
// or an object of them.
std::map<std::string, std::string> EmbeddedTemplates(const JsonPlace& config) {
  std::map<std::string, std::string> sources;
  const auto value = config.Optional("chat_template");
  if (!value) return sources;
  if (value->value().is_string()) {
    sources["default"] = value->Text();
  } else if (value->value().is_array()) {
    for (size_t i = 0; i < value->ListSize(); ++i) {
      sources[value->Entry(i).Text("name")] = value->Entry(i).Text("template");
    }
  } else if (value->IsObject()) {
    for (const auto& [name, unused] : value->value().items()) sources[name] = value->Text(name);
  } else {
    value->Refuse("a text, a list of {\"name\", \"template\"} or an object of texts");
  }
  return sources;
}

// Files win over what tokenizer_config.json has under the same name.
void ReadTemplateFiles(const std::filesystem::path& folder,
                       std::map<std::string, std::string>* sources) {
  const std::filesystem::path single = folder / "chat_template.jinja";
  if (std::filesystem::exists(single)) (*sources)["default"] = base::ReadFile(single);
  const std::filesystem::path others = folder / "additional_chat_templates";
  if (!std::filesystem::is_directory(others)) return;
  for (const auto& entry : std::filesystem::directory_iterator(others)) {
    if (entry.path().extension() != ".jinja") continue;
    (*sources)[entry.path().stem().string()] = base::ReadFile(entry.path());
  }
}

}  // namespace

HuggingFaceTexts ReadHuggingFaceTexts(const std::filesystem::path& folder) {
  const std::filesystem::path config_path = folder / "tokenizer_config.json";
  const json config_json = ObjectIfThere(config_path);
  const JsonPlace config(config_json, config_path.string());
  HuggingFaceTexts texts;
  texts.tokenizer = ReadTokenizerOf(folder, config);
  texts.chat_variables = json::object();
  TakeTokenTexts(config_json, &texts.chat_variables);
  // transformers reads the map only where the newer field is not there.
  if (!config_json.contains("added_tokens_decoder")) {
    TakeTokenTexts(ObjectIfThere(folder / "special_tokens_map.json"), &texts.chat_variables);
  }
  std::map<std::string, std::string> sources = EmbeddedTemplates(config);
  ReadTemplateFiles(folder, &sources);
  for (auto& [name, source] : sources) {
    if (source.empty()) continue;
    const auto made = ChatTemplate::Deferred(std::move(source));
    if (name == "default") {
      texts.chat_template = made;
    } else {
      texts.named_templates[name] = made;
    }
  }
  return texts;
}

std::shared_ptr<const Tokenizer> BoundedBy(int64_t vocab_size,
                                           std::shared_ptr<const Tokenizer> tokenizer,
                                           const std::string& source) {
  return std::make_shared<BoundedTokenizer>(vocab_size, std::move(tokenizer), source);
}

}  // namespace cohort::policy
