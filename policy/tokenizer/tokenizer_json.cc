// tokenizer.json of Hugging Face tokenizers, in and out.

#include "base/error.h"
#include "base/json_place.h"
#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {
namespace {

using base::JsonPlace;
using Json = nlohmann::json;

[[noreturn]] void Refuse(const std::string& source, const std::string& what) {
  throw Error(ErrorCode::kUsage, source + ": " + what,
              "cohort reads the BPE tokenizers of Hugging Face tokenizers");
}

int32_t ReadId(const JsonPlace& id) { return static_cast<int32_t>(id.Integer(0, kMaxTokenId)); }

std::vector<std::string> ReadVocab(const JsonPlace& vocab) {
  if (!vocab.IsObject() || vocab.value().empty()) vocab.Refuse("an object from token to id");
  std::vector<std::string> tokens;
  for (const auto& [token, id_json] : vocab.value().items()) {
    const size_t id = static_cast<size_t>(ReadId(vocab.Member(token)));
    if (token.empty()) vocab.Fail("has the empty text as a token; expected at least one byte");
    if (id >= tokens.size()) tokens.resize(id + 1);
    if (!tokens[id].empty()) {
      vocab.Fail("has '" + tokens[id] + "' and '" + token + "' share id " + std::to_string(id));
    }
    tokens[id] = token;
  }
  return tokens;
}

// Older files write "left right", newer ones ["left", "right"].
void ReadMerges(const JsonPlace& merges, TokenizerSpec* spec) {
  const TokenIndex index = IndexTokens(spec->tokens);
  spec->merges.reserve(merges.ListSize());
  for (size_t number = 0; number < merges.ListSize(); ++number) {
    const Json& merge = merges.value()[number];
    if (merge.is_string()) {
      spec->merges.push_back(ReadMerge(index, merge.get<std::string>(), number, merges.file()));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      spec->merges.push_back(ReadMerge(index, merge[0].get<std::string>(),
                                       merge[1].get<std::string>(), number, merges.file()));
    } else {
      merges.Entry(number).Refuse("\"left right\" or [\"left\", \"right\"]");
    }
  }
}

AddedToken ReadAddedToken(const JsonPlace& json, const TokenIndex& index) {
  AddedToken token;
  token.content = json.Text("content");
  token.id = ReadId(json.Member("id", "a token id"));
  const auto known = index.find(token.content);
  if (known != index.end() && known->second != token.id) {
    json.Member("id").Refuse(std::to_string(known->second) + ", the id of '" + token.content +
                             "' in model.vocab");
  }
  token.single_word = json.BoolOr("single_word", false);
  token.lstrip = json.BoolOr("lstrip", false);
  token.rstrip = json.BoolOr("rstrip", false);
  token.special = json.BoolOr("special", false);
  token.normalized = json.BoolOr("normalized", !token.special);
  return token;
}

std::vector<AddedToken> ReadAddedTokens(const JsonPlace& json, const TokenIndex& index) {
  std::vector<AddedToken> tokens;
  const auto list = json.Optional("added_tokens");
  for (size_t i = 0; list && i < list->ListSize(); ++i) {
    tokens.push_back(ReadAddedToken(list->Entry(i), index));
  }
  return tokens;
}

bool IsNothing(const Json& json) {
  return json.is_null() || json == "" || json == 0 || json == 0.0 || json == false;
}

bool EndsWithByteLevel(const JsonPlace& pre_tokenizer) {
  const std::string type = pre_tokenizer.TextOr("type", "");
  if (type != "Sequence") return type == "ByteLevel";
  const JsonPlace parts = pre_tokenizer.Member("pretokenizers", "a list");
  return parts.ListSize() > 0 &&
         parts.Entry(parts.ListSize() - 1).TextOr("type", "") == "ByteLevel";
}

void CheckModel(const JsonPlace& model) {
  const std::string type = model.TextOr("type", "BPE");
  if (type != "BPE") {
    model.Fail("of type '" + type + "' is not supported", "supported: BPE");
  }
  for (const char* field : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto value = model.Optional(field);
    if (value && !IsNothing(value->value())) value->Refuse("null, the only value supported");
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
  const JsonPlace file(json, source);
  const JsonPlace model = file.Member("model", "an object");
  CheckModel(model);
  TokenizerSpec spec;
  spec.tokens = ReadVocab(model.Member("vocab", "an object from token to id"));
  ReadMerges(model.Member("merges", "a list"), &spec);
  spec.added_tokens = ReadAddedTokens(file, IndexTokens(spec.tokens));
  spec.ignore_merges = model.BoolOr("ignore_merges", false);
  if (const auto unk = model.Optional("unk_token")) spec.unk_token = unk->Text();
  spec.fuse_unk = model.BoolOr("fuse_unk", false);
  spec.byte_fallback = model.BoolOr("byte_fallback", false);
  const auto part = [&](const char* key) {
    const auto found = file.Optional(key);
    return found ? found->value() : Json();
  };
  spec.normalizer = part("normalizer");
  spec.pre_tokenizer = part("pre_tokenizer");
  spec.post_processor = part("post_processor");
  spec.decoder = part("decoder");
  const auto pre_tokenizer = file.Optional("pre_tokenizer");
  if (!pre_tokenizer || !EndsWithByteLevel(*pre_tokenizer)) {
    spec.alphabet = TokenizerSpec::Alphabet::kCharacters;
    file.Member("decoder", "a decoder, or a pre_tokenizer that ends with ByteLevel");
  } else if (spec.byte_fallback) {
    model.Member("byte_fallback").Refuse("false, since ByteLevel leaves nothing to fall back from");
  }
  return spec;
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
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", true},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", spec.normalizer},
          {"pre_tokenizer", spec.pre_tokenizer},
          {"post_processor", spec.post_processor},
          {"decoder", spec.decoder.is_null() ? byte_level : spec.decoder},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", spec.unk_token.has_value() ? Json(*spec.unk_token) : Json()},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", spec.fuse_unk},
            {"byte_fallback", spec.byte_fallback},
            {"ignore_merges", spec.ignore_merges},
            {"vocab", vocab},
            {"merges", merges}}}};
}

}  // namespace cohort::policy
