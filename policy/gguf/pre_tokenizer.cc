#include "policy/gguf/pre_tokenizer.h"

#include <algorithm>
#include <string>
#include <utility>
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

// Patterns one after the other, each on the words of the one before.
Json Isolated(std::initializer_list<std::string> patterns) {
  Json::array_t steps;
  for (const std::string& pattern : patterns) steps.push_back(Isolate(pattern));
  steps.push_back(ByteLevel(false));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

constexpr char kContraction[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
constexpr char kSpaces[] = R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The pattern of Llama 3, and of Qwen 2 with digits one by one.
std::string Gpt4Pattern(const std::string& digits, const std::string& contraction = kContraction) {
  return contraction + (contraction.empty() ? "" : "|") + R"([^\r\n\p{L}\p{N}]?\p{L}+|)" + digits +
         R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)" + kSpaces;
}

// tokenizer.json of deepseek-ai/DeepSeek-V3. `rest` follows its words.
constexpr char kCjk[] = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
std::string DeepSeekV3Words(const std::string& rest) {
  return R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)"
         R"(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+)" +
         rest;
}
Json DeepSeekV3() {
  return Isolated({R"(\p{N}{1,3})", kCjk, DeepSeekV3Words(R"([\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)")});
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

std::string Gpt4oWords(const std::string& digits) {
  return Gpt4oPattern("", kContraction + std::string("?"),
                      digits + R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)");
}

// tokenizer.json of mistralai/Mistral-Nemo-Base-2407.
Json Tekken() { return Isolated({Gpt4oPattern("", "", R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)")}); }

// tokenization_kimi.py of moonshotai/Kimi-K2-Instruct.
Json KimiK2() {
  return Isolated(
      {R"([\p{Han}]+|)" + Gpt4oPattern(R"(&&[^\p{Han}])", kContraction + std::string("?"),
                                       R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)")});
}

// tokenizer.json of ByteDance-Seed/Seed-Coder-8B-Base.
Json SeedCoder() {
  return Isolated({kContraction +
                   std::string(R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1})"
                               R"(| ?[^\s\p{L}\p{N}\r\n]+)") +
                   kSpaces});
}

// tokenizer.json of Qwen/Qwen3.5-27B: marks belong to their letters.
Json Qwen35() {
  return Isolated({kContraction +
                   std::string(R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N})"
                               R"(| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)") +
                   kSpaces});
}

// tokenizer.json of inclusionAI/Ling-lite.
Json BailingMoe() {
  return Isolated({R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N})"
                   R"(| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"});
}

// tokenizer.json of LGAI-EXAONE/K-EXAONE-236B-A23B: words of several words.
Json ExaoneMoe() {
  return Isolated(
      {kContraction + std::string(R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N})"
                                  R"(| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)")});
}

// tokenizer.json of inceptionai/Jais-2-8B-Chat: spaces by powers of two.
Json Jais2() {
  std::string spaces = R"(|\s*[\r\n]+)";
  for (const char* length : {"512", "256", "128", "64", "32", "16", "8", "4", "1,2"}) {
    spaces += R"(|\s{)" + std::string(length) + R"(}(?!\S))";
  }
  return Isolated({kContraction +
                   std::string(R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
                               R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)") +
                   spaces + R"(|\s{1})"});
}

// tokenizer.json of bigscience/bloom: a word ends before a mark of its own list.
constexpr char kBloomPattern[] = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+";

// llama.cpp's, which leaves out that Falcon's tokenizer.json cuts numbers among the visible
// characters of bytes once more.
Json Falcon() {
  return Sequence(
      {Isolate(R"([\p{P}\$\+<=>\^~\|`]+)"), ByteLevel(true), Isolate("[0-9][0-9][0-9]")});
}

// llama.cpp's for arcee-ai/Trinity: digits in threes from the right.
Json AfMoe() {
  return Isolated(
      {R"(\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})))",
       "[\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-"
       "\u2fdf"
       "\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af"
       "\u1100-\u11ff]+",
       DeepSeekV3Words(R"([\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)")});
}

// llama.cpp's for tencent/Youtu-LLM-2B.
Json Youtu() {
  return Isolated(
      {"[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a"
       "\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+"
       "|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
       Gpt4oWords(R"(\p{N})")});
}

// tokenizer.json of CohereLabs/tiny-aya-base.
Json TinyAya() { return Isolated({R"(\d{1,3}(?=(?:\d{3})*\b))", Gpt4oWords(R"(\p{N}{1,3})")}); }

// tokenizer.json of facebook/chameleon-7b.
Json Chameleon() {
  return Sequence({Isolate("<sentinel:[0-9]+>"), Isolate("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"),
                   Isolate("([\\t\\n]|    |  )"), EveryDigit(), Isolate(R"([\p{P}!-/:-@\[-`{-~])"),
                   ByteLevel(true)});
}

// tokenizer.json of UW/OLMo2-8B-SuperBPE-t180k: digits in threes from the right, words not cut.
Json SuperBpe() { return Isolated({R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}); }

struct NamedPreTokenizer {
  std::vector<const char*> names;  // of src/llama-vocab.cpp
  Json json;
};

std::vector<NamedPreTokenizer> OfGpt2AndDigits() {
  return {
      {{"default",    "gpt-2",           "mpt",          "olmo",        "phi-2",
        "gigachat",   "a.x-4.0",         "mellum",       "exaone4",     "jais",
        "trillion",   "granite-docling", "jina-es",      "jina-de",     "jina-v1-en",
        "jina-v2-es", "jina-v2-de",      "jina-v2-code", "roberta-bpe", "modern-bert"},
       ByteLevel(true)},
      {{"smollm", "command-r", "starcoder", "refact", "exaone", "minerva-7b", "codeshell",
        "mellum2"},
       Sequence({EveryDigit(), ByteLevel(true)})},
      {{"falcon"}, Falcon()},
      {{"bloom", "poro-chat", "gpt3-finnish"}, Isolated({kBloomPattern})},
      {{"viking"}, Isolated({kBloomPattern, R"(\p{N})"})},
      {{"chameleon"}, Chameleon()},
      {{"superbpe"}, SuperBpe()},
  };
}

std::vector<NamedPreTokenizer> OfGpt4() {
  const std::string qwen2 = Gpt4Pattern(R"(\p{N})");
  return {
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
        "glm4", "glm5", "chatglm-bpe", "dbrx", "smaug-bpe", "jina-v5-nano"},
       Isolated({Gpt4Pattern(R"(\p{N}{1,3})")})},
      {{"qwen2", "deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "f2llmv2", "grok-2",
        "solar-open"},
       Isolated({qwen2})},
      {{"qwen35"}, Qwen35()},
      {{"laguna"}, Isolated({R"([^\n]+|[\n]+)", qwen2})},
      {{"minicpm5"}, Isolated({R"(\p{N}{1,3})", Gpt4Pattern(R"(\p{N}+)")})},
      {{"ufakzeka"}, Isolated({Gpt4Pattern(R"(\p{N})", "")})},
      {{"seed-coder"}, SeedCoder()},
      {{"bailingmoe", "bailingmoe2", "llada-moe"}, BailingMoe()},
      {{"exaone-moe"}, ExaoneMoe()},
      {{"jais-2"}, Jais2()},
      {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2", "granite-embed-multi-97m"},
       Isolated({Gpt4oWords(R"(\p{N}{1,3})")})},
      {{"tiny_aya", "cohere2moe"}, TinyAya()},
      {{"tekken"}, Tekken()},
      {{"kimi-k2"}, KimiK2()},
      {{"youtu"}, Youtu()},
  };
}

std::vector<NamedPreTokenizer> OfDeepSeek() {
  return {
      {{"deepseek-v3", "hunyuan-dense", "hy_v4", "joyai-llm"}, DeepSeekV3()},
      {{"deepseek-coder"}, DeepSeekCoder()},
      {{"deepseek-llm"}, DeepSeekLlm()},
      {{"spark2_5"},
       Isolated({R"(\p{N}{1,3})", kCjk, DeepSeekV3Words(R"(|[\r\n]|\s+(?!\S)|\s+)"), R"(\p{N})"})},
      {{"afmoe"}, AfMoe()},
  };
}

// Those of llama.cpp's list that are not here.
constexpr std::pair<const char*, const char*> kRefused[] = {
    {"gemma4", "its merges go over whole lines of characters with spaces written \u2581"},
    {"granite-embed-multi-311m",
     "its merges go over whole lines of characters with spaces written \u2581"},
    {"sarvam-moe", "its merges go over whole lines of characters with spaces written \u2581"},
    {"whitespace", "its merges go over characters, not over bytes"}};

}  // namespace

Json GgufPreTokenizer(const GgufFile& file) {
  const std::string name = file.String("tokenizer.ggml.pre", "default");
  for (const auto& [refused, reason] : kRefused) {
    if (name != refused) continue;
    file.Refuse("tokenizer.ggml.pre '" + name + "' is not supported: " + reason,
                "use the model's Hugging Face folder");
  }
  std::vector<std::string> names;
  for (const auto& group : {OfGpt2AndDigits(), OfGpt4(), OfDeepSeek()}) {
    for (const NamedPreTokenizer& each : group) {
      if (std::find(each.names.begin(), each.names.end(), name) != each.names.end()) {
        return each.json;
      }
      names.insert(names.end(), each.names.begin(), each.names.end());
    }
  }
  std::sort(names.begin(), names.end());
  file.Refuse("tokenizer.ggml.pre '" + name + "' is not supported",
              "supported: " + base::CommaSeparated(names));
}

}  // namespace cohort::policy
