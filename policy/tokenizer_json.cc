// tokenizer.json of Hugging Face tokenizers, in and out.

#include "base/error.h"
#include "policy/tokenizer_spec.h"

namespace cohort::policy {
namespace {

using Json = nlohmann::json;

[[noreturn]] void Refuse(const std::string& source, const std::string& what) {
  throw Error(ErrorCode::kUsage, source + ": " + what,
              "cohort reads the byte-level BPE tokenizers of Hugging Face tokenizers");
}

int32_t ReadId(const Json& json, const std::string& source, const std::string& token) {
  if (!json.is_number_integer() || json.get<int64_t>() < 0 || json.get<int64_t>() > kMaxTokenId) {
    Refuse(source, "the id of token '" + token + "' is " + json.dump() + "; expected 0 to " +
                       std::to_string(kMaxTokenId));
  }
  return json.get<int32_t>();
}

std::vector<std::string> ReadVocab(const Json& vocab, const std::string& source) {
  if (!vocab.is_object() || vocab.empty()) {
    Refuse(source, "model.vocab is missing or empty; expected an object from token to id");
  }
  std::vector<std::string> tokens;
  for (const auto& [token, id_json] : vocab.items()) {
    const size_t id = static_cast<size_t>(ReadId(id_json, source, token));
    if (id >= tokens.size()) tokens.resize(id + 1);
    if (!tokens[id].empty()) {
      Refuse(source,
             "tokens '" + tokens[id] + "' and '" + token + "' share id " + std::to_string(id));
    }
    tokens[id] = token;
  }
  return tokens;
}

// Older files write "left right", newer ones ["left", "right"].
void ReadMerges(const Json& merges, const std::string& source, TokenizerSpec* spec) {
  if (!merges.is_array()) Refuse(source, "model.merges is missing; expected an array");
  const TokenIndex index = IndexTokens(spec->tokens);
  spec->merges.reserve(merges.size());
  for (const Json& merge : merges) {
    const size_t number = spec->merges.size();
    if (merge.is_string()) {
      spec->merges.push_back(ReadMerge(index, merge.get<std::string>(), number, source));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      spec->merges.push_back(ReadMerge(index, merge[0].get<std::string>(),
                                       merge[1].get<std::string>(), number, source));
    } else {
      Refuse(source, "merge " + std::to_string(number) + " is " + merge.dump() +
                         "; expected \"left right\" or [left, right]");
    }
  }
}

AddedToken ReadAddedToken(const Json& json, const std::string& source) {
  AddedToken token;
  token.content = json.at("content").get<std::string>();
  token.id = ReadId(json.at("id"), source, token.content);
  token.single_word = json.value("single_word", false);
  token.lstrip = json.value("lstrip", false);
  token.rstrip = json.value("rstrip", false);
  token.special = json.value("special", false);
  token.normalized = json.value("normalized", !token.special);
  return token;
}

bool IsNothing(const Json& json) {
  return json.is_null() || json == "" || json == 0 || json == 0.0 || json == false;
}

// A decoder of byte-level text, alone or as the only part of a Sequence.
bool DecodesBytes(const Json& decoder) {
  if (decoder.is_null()) return true;
  const std::string type = decoder.value("type", "");
  if (type == "Sequence") {
    const Json& parts = decoder.at("decoders");
    return parts.size() == 1 && DecodesBytes(parts[0]);
  }
  return type == "ByteLevel";
}

bool EndsWithByteLevel(const Json& pre_tokenizer) {
  if (!pre_tokenizer.is_object()) return false;
  if (pre_tokenizer.value("type", "") != "Sequence") {
    return pre_tokenizer.value("type", "") == "ByteLevel";
  }
  const Json& parts = pre_tokenizer.at("pretokenizers");
  return !parts.empty() && EndsWithByteLevel(parts.back());
}

void CheckSupported(const Json& json, const Json& model, const std::string& source) {
  const std::string type = model.value("type", "BPE");
  if (type != "BPE") Refuse(source, "model of type '" + type + "' is not supported");
  for (const char* field :
       {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"}) {
    if (model.contains(field) && !IsNothing(model[field])) {
      Refuse(source,
             std::string("model.") + field + " = " + model[field].dump() + " is not supported");
    }
  }
  const Json normalizer = json.value("normalizer", Json());
  const bool empty_sequence = normalizer.is_object() && normalizer.contains("normalizers") &&
                              normalizer["normalizers"].empty();
  if (!normalizer.is_null() && !empty_sequence) {
    Refuse(source, "normalizer of type '" + normalizer.value("type", "") + "' is not supported");
  }
  if (!DecodesBytes(json.value("decoder", Json()))) {
    Refuse(source, "decoder " + json["decoder"].dump().substr(0, 80) + " is not supported");
  }
}

}  // namespace

TokenIndex IndexTokens(const std::vector<std::string>& tokens) {
  TokenIndex index;
  index.reserve(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!tokens[id].empty()) index.emplace(tokens[id], static_cast<int32_t>(id));
  }
  return index;
}

std::pair<int32_t, int32_t> ReadMerge(const TokenIndex& index, const std::string& left,
                                      const std::string& right, size_t number,
                                      const std::string& source) {
  const auto find = [&](const std::string& token) {
    const auto found = index.find(token);
    if (found == index.end()) {
      Refuse(source, "merge " + std::to_string(number) + " ('" + left + "' + '" + right +
                         "') needs '" + token + "', which is not in the vocabulary");
    }
    return found->second;
  };
  find(left + right);
  return {find(left), find(right)};
}

std::pair<int32_t, int32_t> ReadMerge(const TokenIndex& index, const std::string& joined,
                                      size_t number, const std::string& source) {
  const size_t space = joined.find(' ');
  if (space == std::string::npos || joined.find(' ', space + 1) != std::string::npos) {
    Refuse(source, "merge " + std::to_string(number) + " is '" + joined +
                       "'; expected two tokens with one space between them");
  }
  return ReadMerge(index, joined.substr(0, space), joined.substr(space + 1), number, source);
}

TokenizerSpec ParseTokenizerJson(const Json& json, const std::string& source) {
  try {
    if (!json.is_object() || !json.contains("model") || !json["model"].is_object()) {
      Refuse(source, "expected an object with 'model'");
    }
    const Json& model = json["model"];
    CheckSupported(json, model, source);
    TokenizerSpec spec;
    spec.tokens = ReadVocab(model.value("vocab", Json()), source);
    ReadMerges(model.value("merges", Json()), source, &spec);
    for (const Json& token : json.value("added_tokens", Json::array())) {
      spec.added_tokens.push_back(ReadAddedToken(token, source));
    }
    spec.ignore_merges = model.value("ignore_merges", false);
    if (model.contains("unk_token") && model["unk_token"].is_string()) {
      spec.unk_token = model["unk_token"].get<std::string>();
    }
    spec.fuse_unk = model.value("fuse_unk", false);
    spec.pre_tokenizer = json.value("pre_tokenizer", Json());
    if (!EndsWithByteLevel(spec.pre_tokenizer)) {
      Refuse(source, "pre_tokenizer " + spec.pre_tokenizer.dump().substr(0, 80) +
                         " does not end with ByteLevel, so this is no byte-level BPE");
    }
    spec.post_processor = json.value("post_processor", Json());
    return spec;
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kUsage, source + ": " + error.what());
  }
}

Json TokenizerSpecToJson(const TokenizerSpec& spec) {
  Json vocab = Json::object();
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (!spec.tokens[id].empty()) vocab[spec.tokens[id]] = id;
  }
  Json merges = Json::array();
  for (const auto& [left, right] : spec.merges) {
    merges.push_back(Json::array({spec.tokens[left], spec.tokens[right]}));
  }
  Json added = Json::array();
  for (const AddedToken& token : spec.added_tokens) {
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", token.single_word},
                     {"lstrip", token.lstrip},
                     {"rstrip", token.rstrip},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer", spec.pre_tokenizer},
          {"post_processor", spec.post_processor},
          {"decoder",
           {{"type", "ByteLevel"},
            {"add_prefix_space", true},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", spec.unk_token.has_value() ? Json(*spec.unk_token) : Json()},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", spec.fuse_unk},
            {"byte_fallback", false},
            {"ignore_merges", spec.ignore_merges},
            {"vocab", vocab},
            {"merges", merges}}}};
}

}  // namespace cohort::policy
