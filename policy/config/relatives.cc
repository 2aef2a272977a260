#include "policy/config/relatives.h"

#include <cctype>

namespace cohort::policy {
namespace {

constexpr char kNoGate[] = "its FFN has no gate";
constexpr char kNoGateAndMean[] = "its FFN has no gate, and its norms subtract the mean";
constexpr char kSeesImages[] = "it sees images";
constexpr char kHears[] = "it hears sound";
constexpr char kInterleaved[] = "its rotary positions are interleaved";
constexpr char kParallel[] = "its attention and FFN are parallel, and its norms subtract the mean";
constexpr char kMamba[] = "some of its layers are Mamba's";
constexpr char kOneMatrix[] = "its query, key and value projections are one matrix";
constexpr char kOtherNames[] = "its tensors bear other names";

// The differences are read off the classes of transformers 5.23, or of the model's own code where
// transformers has none.
constexpr Relative kRelatives[] = {
    {"afmoe", "qwen3_moe", "it has norms around its layers and a gate of its attention's output"},
    {"apertus", "qwen3", kNoGate},
    {"arcee", "llama", kNoGate},
    {"axk1", "deepseek_v3", "it has a norm after its mixtures of experts"},
    {"baichuan", "llama", kOneMatrix},
    {"bamba", "llama", kMamba},
    {"bitnet", "llama", "its weights are ternary, and it has norms before its last projections"},
    {"bloom", "llama", "it has no rotary positions, and its norms subtract the mean"},
    {"chatglm", "llama", kOneMatrix},
    {"cohere", "llama", kParallel},
    {"cohere2", "llama", kParallel},
    {"cwm", "llama", "three of four layers have a window"},
    {"dbrx", "mixtral", "its norms subtract the mean and its projections are clipped"},
    {"deepseek", "deepseek_v2", "its attention is not latent"},
    {"deepseek_v4", "deepseek_v3",
     "its attention is compressed and its residual streams are several"},
    {"deepseek_vl_v2", "deepseek_v2", kSeesImages},
    {"diffllama", "llama", "its attention is the difference of two"},
    {"dots1", "glm4_moe",
     "its config is spelt otherwise: set model_type to glm4_moe, use_qk_norm to true and "
     "partial_rotary_factor to 1"},
    {"ernie4_5", "llama", kInterleaved},
    {"ernie4_5_moe", "glm4_moe",
     "its router takes a softmax, and its rotary positions are interleaved"},
    {"exaone", "llama", kOtherNames},
    {"exaone4", "olmo3",
     "it normalises queries and keys head by head, and its full layers may not rotate"},
    {"exaone_moe", "glm4_moe",
     "it normalises queries and keys head by head, and some of its layers have windows"},
    {"falcon", "llama", "its attention and FFN are parallel, and its FFN has no gate"},
    {"falcon_h1", "llama", "it has Mamba's layers beside its attention"},
    {"flex_olmo", "olmo2", "its FFNs are mixtures of experts"},
    {"gemma", "gemma2", "it has no norms after attention and FFN, no windows and no soft caps"},
    {"gemma3", "gemma3_text", "it sees images; a folder of its text model alone is gemma3_text"},
    {"gemma3n", "gemma3_text", "it has embeddings of every layer and several residual streams"},
    {"gemma3n_text", "gemma3_text",
     "it has embeddings of every layer and several residual streams"},
    {"gemma4", "gemma3_text", "it sees images, and its full layers have heads of another width"},
    {"gemma4_text", "gemma3_text", "its full layers have heads of another width"},
    {"glm", "llama", "its rotary positions are interleaved and partial, its gate and up fused"},
    {"glm4", "gemma2",
     "its norms do not add one, its rotary positions are interleaved, and it has no soft caps"},
    {"glm4_moe_lite", "deepseek_v3", "only the name differs: set model_type to deepseek_v3"},
    {"glm4v", "gemma2", kSeesImages},
    {"glm4v_moe", "glm4_moe", kSeesImages},
    {"glm_moe_dsa", "deepseek_v32",
     "only the name differs, within index_topk tokens: set model_type to deepseek_v32"},
    {"gpt2", "llama",
     "it has no rotary positions, its FFN has no gate, its norms subtract the mean"},
    {"gpt_bigcode", "llama", "it has no rotary positions, and its FFN has no gate"},
    {"gpt_neox", "llama", kParallel},
    {"gptj", "llama", kParallel},
    {"granite_swa", "granite", "some of its layers have windows, and it has attention sinks"},
    {"granitemoe", "mixtral", "it scales embedding, residual stream and logits"},
    {"granitemoehybrid", "granite", "its layers may be Mamba's, and its FFN is named shared_mlp"},
    {"granitemoeshared", "mixtral", "it scales embedding, residual stream and logits"},
    {"helium", "llama", kInterleaved},
    {"hunyuan_v1_dense", "qwen3", "it normalises queries and keys after the rotation"},
    {"hunyuan_v1_moe", "qwen3_moe", "it normalises queries and keys after the rotation"},
    {"internlm2", "llama", kOneMatrix},
    {"internlm3", "llama", "its biases are other ones"},
    {"internvl", "qwen2", kSeesImages},
    {"internvl_chat", "qwen2", kSeesImages},
    {"iquestcoder", "llama", "only the name differs: set model_type to llama"},
    {"jais2", "llama", kNoGateAndMean},
    {"jamba", "mixtral", kMamba},
    {"kimi_k2", "deepseek_v3", "only the name differs: set model_type to deepseek_v3"},
    {"kimi_k25", "deepseek_v3", kSeesImages},
    {"kimi_linear", "deepseek_v3",
     "most of its layers are delta nets with a gate for each channel"},
    {"kimi_vl", "deepseek_v3", kSeesImages},
    {"lfm2", "qwen3", "some of its layers are short convolutions"},
    {"lfm2_moe", "glm4_moe", "some of its layers are short convolutions"},
    {"llama4", "glm4_moe",
     "it sees images, attends in chunks and scales the inputs of its experts"},
    {"llama4_text", "glm4_moe", "it attends in chunks and scales the inputs of its experts"},
    {"llava", "llama", kSeesImages},
    {"llava_next", "llama", kSeesImages},
    {"longcat_flash", "deepseek_v3", "a layer has two attentions, and some experts do nothing"},
    {"mimo", "qwen2", "the tensors of its multi-token-prediction layers bear other names"},
    {"mimo_v2_flash", "glm4_moe",
     "its layers with windows have sinks and a number of heads of their own"},
    {"minicpm", "granite", "its factors bear other names"},
    {"minicpm3", "deepseek_v2", "its FFNs are dense, and it scales embedding and residual stream"},
    {"minimax", "mixtral", "most of its layers have linear attention"},
    {"minimax_m2", "glm4_moe", "it normalises all channels of queries and keys at once"},
    {"ministral", "mistral", "only some of its layers have a window"},
    {"ministral3", "mistral", "its queries are scaled by their position"},
    {"mistral3", "mistral", "it sees images; a folder of its text model alone may be mistral"},
    {"mistral4", "deepseek_v2", "its queries are scaled by their position"},
    {"mllama", "llama", kSeesImages},
    {"mpt", "llama", "it has no rotary positions, and its FFN has no gate"},
    {"nemotron", "llama", kNoGateAndMean},
    {"nemotron-nas", "llama", "its layers are of different shapes"},
    {"nemotron_h", "llama", "most of its layers are Mamba's, and its FFN has no gate"},
    {"olmo", "llama", "its norms have no weights, and they subtract the mean"},
    {"olmo_hybrid", "olmo3", "most of its layers are gated delta nets"},
    {"opt", "llama",
     "it has no rotary positions, its FFN has no gate, its norms subtract the mean"},
    {"orion", "llama", "its norms subtract the mean"},
    {"paligemma", "gemma2", kSeesImages},
    {"persimmon", "llama", kNoGateAndMean},
    {"phi", "phi3", "its attention and FFN are parallel, and its FFN has no gate"},
    {"phi-msft", "phi3", "its attention and FFN are parallel, and its FFN has no gate"},
    {"phi3_v", "phi3", kSeesImages},
    {"phi4_multimodal", "phi3", kSeesImages},
    {"phi4mm", "phi3", kSeesImages},
    {"phimoe", "mixtral", "its router is another, and its norms subtract the mean"},
    {"qwen", "qwen2", kOtherNames},
    {"qwen2_5_omni", "qwen2", kSeesImages},
    {"qwen2_5_vl", "qwen2", kSeesImages},
    {"qwen2_audio", "qwen2", kHears},
    {"qwen2_vl", "qwen2", kSeesImages},
    {"qwen3_omni_moe", "qwen3_moe", kSeesImages},
    {"qwen3_vl", "qwen3", kSeesImages},
    {"qwen3_vl_moe", "qwen3_moe", kSeesImages},
    {"qwen3_vl_text", "qwen3", "layers of an image's features are added to its first layers"},
    {"recurrent_gemma", "gemma2", "most of its layers are recurrent"},
    {"smolvlm", "llama", kSeesImages},
    {"solar_open", "glm4_moe", "all of its layers are mixtures of experts"},
    {"stablelm", "llama", "its norms subtract the mean"},
    {"starcoder2", "qwen2", kNoGateAndMean},
    {"vaultgemma", "gemma2", "it has no norms after attention and FFN"},
    {"youtu", "deepseek_v3", "all of its FFNs are dense"},
    {"zamba2", "llama", kMamba},
};

}  // namespace

std::span<const Relative> Relatives() { return kRelatives; }

std::string LettersOf(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

const Relative* FindRelative(const std::string& model_type) {
  for (const Relative& relative : kRelatives) {
    if (LettersOf(relative.model_type) == LettersOf(model_type)) return &relative;
  }
  return nullptr;
}

}  // namespace cohort::policy
