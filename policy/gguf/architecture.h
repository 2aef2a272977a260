#pragma once

#include "policy/gguf/file.h"

namespace cohort::policy {

// One of llama.cpp's architectures (general.architecture): which family it is, and what llama.cpp
// computes with that its files do not say.
struct GgufArchitecture {
  const char* name;
  const char* family;  // model_type of config.json
  // The family where metadata or tensors tell it from `family`; null where there is one.
  const char* (*other_family)(const GgufFile& file) = nullptr;
  // Fields of config.json that are so in every file, as a JSON object.
  const char* fields = "{}";
  // Fields that say whether q, k and v, and whether o has a bias; null where none does.
  const char* bias = nullptr;
  const char* output_bias = nullptr;
  const char* qk_norm = nullptr;       // likewise of norms of queries and keys
  const char* num_experts = nullptr;   // the field of its count of experts; null in a dense family
  const char* expert_width = nullptr;  // the field of expert_feed_forward_length
  bool has_partial_rotary_factor = false;
  bool has_windowed_base = false;  // of the rope of layers with a window
  bool scales_by_query = false;    // query_pre_attn_scalar is the width of a head, or ...
  int64_t wide_scale_layers = 0;   // ... hidden_size / heads in the model of so many layers
  int64_t full_every = 0;          // the layers without a window where the file does not list them
  bool has_linear_layers = false;  // gated delta nets
  bool has_latent_attention = false;
  bool has_deepseek_experts = false;  // with groups, scaling and dense layers before them
  // llama.cpp orders the rows of its q and k for neighbouring pairs of channels.
  bool reorders_rows = false;

  const char* FamilyOf(const GgufFile& file) const;
};

// kUsage naming it and all that are supported.
const GgufArchitecture& FindGgufArchitecture(const GgufFile& file);

}  // namespace cohort::policy
