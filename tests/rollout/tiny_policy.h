#pragma once

#include <filesystem>
#include <string>

#include "base/durable_file.h"
#include "policy/config/config.h"
#include "policy/weights/weights.h"

namespace cohort::testing {

// A dense model that decodes in microseconds. Its weights are random, so it rarely stops early.
inline policy::ModelConfig TinyConfig() {
  policy::ModelConfig config;
  config.vocab_size = 64;
  config.width = 32;
  config.num_layers = 2;
  config.attention.num_heads = 2;
  config.attention.num_kv_heads = 1;
  config.attention.head_dim = 16;
  config.ffn_width = 64;
  config.max_positions = 4096;
  return config;
}

// config.json of the tiny model inside `folder`.
inline std::filesystem::path WriteTinyConfig(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  base::WriteFileDurably(path, policy::ConfigToJson(TinyConfig(), policy::Dtype::kFloat32).dump());
  return path;
}

}  // namespace cohort::testing
