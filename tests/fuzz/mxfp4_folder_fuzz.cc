// Any bytes as the model.safetensors of a gpt_oss folder with experts in MXFP4: weights, or an
// error that blames the folder.

#include <string>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/config/config.h"
#include "policy/weights/huggingface_weights.h"

namespace {

cohort::policy::ModelConfig OneLayer() {
  const nlohmann::json config = {{"model_type", "gpt_oss"},
                                 {"vocab_size", 4},
                                 {"hidden_size", 32},
                                 {"intermediate_size", 32},
                                 {"num_hidden_layers", 1},
                                 {"num_attention_heads", 2},
                                 {"num_key_value_heads", 1},
                                 {"head_dim", 2},
                                 {"num_local_experts", 2},
                                 {"num_experts_per_tok", 1},
                                 {"max_position_embeddings", 16},
                                 {"rope_scaling", {{"rope_type", "default"}}},
                                 {"sliding_window", 4},
                                 {"layer_types", {"sliding_attention"}},
                                 {"quantization_config", {{"quant_method", "mxfp4"}}}};
  return cohort::policy::ParseConfig(config, "config.json");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cohort::Error;
  static const cohort::base::TemporaryFolder folder;
  static const cohort::policy::ModelConfig config = OneLayer();
  folder.Write("model.safetensors", std::string(reinterpret_cast<const char*>(data), size));
  try {
    using cohort::policy::HuggingFaceWeights;
    HuggingFaceWeights(folder.path(), config, cohort::policy::Dtype::kFloat32).TakeAll();
  } catch (const Error& error) {
    if (error.code() != cohort::ErrorCode::kUsage) throw;
  }
  return 0;
}
