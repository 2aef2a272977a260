#include "rollout/cpu/delta_net_weights.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <cmath>

#include "policy/config/linear_attention.h"
#include "rollout/cpu/weight_packing.h"

namespace cohort::rollout {

namespace {

using kernels::kPanelColumns;
using kernels::PackedMatrix;
using kernels::PadToPanel;

// Takes the projections and packs their rows where DeltaNetColumns has them, one tensor at a time.
struct ProjectionLoader {
  kernels::ThreadPool& pool;
  policy::WeightSource& weights;
  const std::string& prefix;
  const policy::LinearAttentionConfig& linear;
  int64_t width;
  PackedMatrix* input;

  at::Tensor Take(const char* name, int64_t rows) const {
    return TakeTensor(weights, prefix + name + ".weight", {rows, width});
  }
  void Pack(const at::Tensor& rows, int64_t offset) const {
    PackTensor(pool, rows, {offset / kPanelColumns, 1}, input);
  }

  void LoadSeparate() const {
    const DeltaNetColumns columns(linear);
    Pack(Take("in_proj_qkv", columns.channels), 0);
    Pack(Take("in_proj_z", columns.gates), columns.gate_offset());
    Pack(Take("in_proj_b", columns.heads), columns.b_offset());
    Pack(Take("in_proj_a", columns.heads), columns.a_offset());
  }

  // Each key head's rows are its query, its key, and the values and gates of its value heads; of
  // the other matrix the b of its value heads, then their a.
  void LoadByKeyHead() const {
    const DeltaNetColumns columns(linear);
    const int64_t groups = linear.num_key_heads, key = linear.key_dim;
    const int64_t values = columns.gates / groups;
    {
      const at::Tensor qkvz =
          Take("in_proj_qkvz", columns.channels + columns.gates).view({groups, -1, width});
      const auto part = [&](int64_t first, int64_t rows) {
        return qkvz.narrow(1, first, rows).reshape({-1, width});
      };
      Pack(at::cat({part(0, key), part(key, key), part(2 * key, values)}), 0);
      Pack(part(2 * key + values, values).contiguous(), columns.gate_offset());
    }
    const at::Tensor ba = Take("in_proj_ba", 2 * columns.heads).view({groups, 2, -1, width});
    Pack(ba.select(1, 0).reshape({-1, width}).contiguous(), columns.b_offset());
    Pack(ba.select(1, 1).reshape({-1, width}).contiguous(), columns.a_offset());
  }
};

}  // namespace

DeltaNetColumns::DeltaNetColumns(const policy::LinearAttentionConfig& linear)
    : channels(policy::ConvChannels(linear)),
      gates(policy::ValueWidth(linear)),
      heads(linear.num_value_heads) {}

DeltaNetWeights AllocateDeltaNet(const policy::ModelConfig& config, kernels::Storage storage) {
  const DeltaNetColumns columns(config.linear);
  DeltaNetWeights out;
  out.input = PackedMatrix(columns.total(), config.width, storage);
  out.output = PackedMatrix(config.width, columns.gates, storage);
  return out;
}

int64_t DeltaNetWeightCount(const policy::ModelConfig& config) {
  const DeltaNetColumns columns(config.linear);
  return (columns.total() + columns.gates) * config.width;
}

void LoadDeltaNet(kernels::ThreadPool& pool, const policy::ModelConfig& config,
                  policy::WeightSource& weights, const std::string& prefix,
                  DeltaNetWeights* delta_net) {
  const policy::LinearAttentionConfig& linear = config.linear;
  const DeltaNetColumns columns(linear);
  const ProjectionLoader projections{pool,   weights,      prefix,
                                     linear, config.width, &delta_net->input};
  linear.separate_projections ? projections.LoadSeparate() : projections.LoadByKeyHead();
  const int64_t conv_width = linear.conv_width;
  const at::Tensor conv =
      TakeTensor(weights, prefix + "conv1d.weight", {columns.channels, 1, conv_width})
          .view({columns.channels, conv_width})
          .t()
          .contiguous();
  delta_net->conv.assign(conv.data_ptr<float>(), conv.data_ptr<float>() + conv.numel());
  delta_net->rate = TakeVector(weights, prefix + "A_log", columns.heads);
  for (float& rate : delta_net->rate) rate = std::exp(rate);
  delta_net->rate_bias = TakeVector(weights, prefix + "dt_bias", columns.heads);
  delta_net->norm = TakeVector(weights, prefix + "norm.weight", linear.value_dim);
  PackTensor(pool, TakeTensor(weights, prefix + "out_proj.weight", {config.width, columns.gates}),
             {}, &delta_net->output);
}

}  // namespace cohort::rollout
