#include "policy/gguf/pre_tokenizer.h"

#include <map>
#include <vector>

#include "base/nearest_name.h"

namespace cohort::policy {
namespace {

using Json = nlohmann::json;

Json ByteLevel(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json EveryDigit() { return {{"type", "Digits"}, {"individual_digits", true}}; }

Json Isolate(const std::string& regex) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

Json Sequence(std::initializer_list<Json> parts) {
  return {{"type", "Sequence"}, {"pretokenizers", Json::array_t(parts)}};
}

// The pattern of Llama 3, and of Qwen 2 with digits one by one.
std::string Gpt4Pattern(const std::string& digits) {
  return R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)" + digits +
         R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

// tokenizer.json of deepseek-ai/DeepSeek-V3.
Json DeepSeekV3() {
  return Sequence({Isolate(R"(\p{N}{1,3})"), Isolate("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
                   Isolate(R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)"
                           R"(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)"
                           R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"),
                   ByteLevel(false)});
}

// tokenizer.json of deepseek-ai/deepseek-llm-7b-base and DeepSeek-V2. Its letters are those with a
// case, without a few that Unicode got late.
Json DeepSeekLlm() {
  const std::string letters =
      "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af"
      "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1"
      "\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd"
      "\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d"
      "\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
      "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec"
      "\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
      "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b"
      "\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787"
      "\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
      "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"
      "\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943";
  return Sequence({Isolate("[\r\n]"), Isolate("\\s?[" + letters + "]+"),
                   Isolate("\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"),
                   Isolate("\\s+$"), Isolate("[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"),
                   EveryDigit(), ByteLevel(false)});
}

// tokenizer.json of deepseek-ai/deepseek-coder-6.7b-base.
Json DeepSeekCoder() {
  return Sequence({Isolate("[\r\n]"), Isolate(R"(\s?\p{L}+)"), Isolate(R"(\s?\p{P}+)"),
                   Isolate("[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"), EveryDigit(),
                   ByteLevel(false)});
}

// Words that begin with capital letters or have none: the pattern of GPT-4o, and of those that took
// it. `inside` restricts the letters, `suffix` follows a word.
std::string Gpt4oPattern(const std::string& inside, const std::string& suffix,
                         const std::string& rest) {
  const std::string before = R"([^\r\n\p{L}\p{N}]?)";
  const std::string capitals = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M})" + inside + "]";
  const std::string smalls = R"([\p{Ll}\p{Lm}\p{Lo}\p{M})" + inside + "]";
  return before + capitals + "*" + smalls + "+" + suffix + "|" + before + capitals + "+" + smalls +
         "*" + suffix + "|" + rest + R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

Json Gpt4o() {
  return Sequence({Isolate(Gpt4oPattern("", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                                        R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)")),
                   ByteLevel(false)});
}

// tokenizer.json of mistralai/Mistral-Nemo-Base-2407.
Json Tekken() {
  return Sequence(
      {Isolate(Gpt4oPattern("", "", R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)")), ByteLevel(false)});
}

// tokenization_kimi.py of moonshotai/Kimi-K2-Instruct.
Json KimiK2() {
  return Sequence(
      {Isolate(R"([\p{Han}]+|)" + Gpt4oPattern(R"(&&[^\p{Han}])", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                                               R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)")),
       ByteLevel(false)});
}

// tokenizer.json of ByteDance-Seed/Seed-Coder-8B-Base.
Json SeedCoder() {
  return Sequence({Isolate(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1})"
                           R"(| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"),
                   ByteLevel(false)});
}

// tokenizer.json of UW/OLMo2-8B-SuperBPE-t180k: digits in threes from the right, words not cut.
Json SuperBpe() {
  return Sequence({Isolate(R"(\p{N}+)"), Isolate(R"((?=(\d{3})+(?!\d)))"), ByteLevel(false)});
}

}  // namespace

Json GgufPreTokenizer(const GgufFile& file) {
  const Json llama3 = Sequence({Isolate(Gpt4Pattern(R"(\p{N}{1,3})")), ByteLevel(false)});
  const Json qwen2 = Sequence({Isolate(Gpt4Pattern(R"(\p{N})")), ByteLevel(false)});
  const Json every_digit = Sequence({EveryDigit(), ByteLevel(true)});
  const std::map<std::string, Json> known = {{"default", ByteLevel(true)},
                                             {"gpt-2", ByteLevel(true)},
                                             {"mpt", ByteLevel(true)},
                                             {"olmo", ByteLevel(true)},
                                             {"phi-2", ByteLevel(true)},
                                             {"gigachat", ByteLevel(true)},
                                             {"a.x-4.0", ByteLevel(true)},
                                             {"mellum", ByteLevel(true)},
                                             {"exaone4", ByteLevel(true)},
                                             {"smollm", every_digit},
                                             {"command-r", every_digit},
                                             {"starcoder", every_digit},
                                             {"refact", every_digit},
                                             {"exaone", every_digit},
                                             {"minerva-7b", every_digit},
                                             {"llama-bpe", llama3},
                                             {"llama3", llama3},
                                             {"llama-v3", llama3},
                                             {"falcon3", llama3},
                                             {"falcon-h1", llama3},
                                             {"pixtral", llama3},
                                             {"midm-2.0", llama3},
                                             {"lfm2", llama3},
                                             {"glm4", llama3},
                                             {"chatglm-bpe", llama3},
                                             {"dbrx", llama3},
                                             {"smaug-bpe", llama3},
                                             {"qwen2", qwen2},
                                             {"deepseek-r1-qwen", qwen2},
                                             {"kormo", qwen2},
                                             {"megrez", qwen2},
                                             {"stablelm2", qwen2},
                                             {"hunyuan", qwen2},
                                             {"gpt-4o", Gpt4o()},
                                             {"llama4", Gpt4o()},
                                             {"kanana2", Gpt4o()},
                                             {"tekken", Tekken()},
                                             {"kimi-k2", KimiK2()},
                                             {"seed-coder", SeedCoder()},
                                             {"superbpe", SuperBpe()},
                                             {"deepseek-coder", DeepSeekCoder()},
                                             {"deepseek-llm", DeepSeekLlm()},
                                             {"deepseek-v3", DeepSeekV3()}};
  const std::string name = file.String("tokenizer.ggml.pre", "default");
  const auto found = known.find(name);
  if (found != known.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [each, unused] : known) names.push_back(each);
  file.Refuse("tokenizer.ggml.pre '" + name + "' is not supported",
              "supported: " + base::CommaSeparated(names));
}

}  // namespace cohort::policy
