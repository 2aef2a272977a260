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

// The rows of the projections in the order of DeltaNetColumns.
struct ProjectionRows {
  at::Tensor channels, gates, b, a;
};

ProjectionRows TakeSeparate(policy::WeightSource& weights, const std::string& prefix,
                            const DeltaNetColumns& columns, int64_t width) {
  const auto take = [&](const char* name, int64_t rows) {
    return TakeTensor(weights, prefix + name + ".weight", {rows, width});
  };
  return {take("in_proj_qkv", columns.channels), take("in_proj_z", columns.gates),
          take("in_proj_b", columns.heads), take("in_proj_a", columns.heads)};
}

// Each key head's rows are its query, its key, and the values and gates of its value heads; of the
// other matrix the b of its value heads, then their a.
ProjectionRows TakeByKeyHead(policy::WeightSource& weights, const std::string& prefix,
                             const policy::LinearAttentionConfig& linear, int64_t width) {
  const DeltaNetColumns columns(linear);
  const int64_t groups = linear.num_key_heads, key = linear.key_dim;
  const int64_t values = linear.value_dim * columns.heads / groups;
  const at::Tensor qkvz =
      TakeTensor(weights, prefix + "in_proj_qkvz.weight", {columns.channels + columns.gates, width})
          .view({groups, -1, width});
  const at::Tensor ba =
      TakeTensor(weights, prefix + "in_proj_ba.weight", {2 * columns.heads, width})
          .view({groups, 2, -1, width});
  const auto part = [&](int64_t first, int64_t rows) {
    return qkvz.narrow(1, first, rows).reshape({-1, width});
  };
  return {at::cat({part(0, key), part(key, key), part(2 * key, values)}),
          part(2 * key + values, values), ba.select(1, 0).reshape({-1, width}),
          ba.select(1, 1).reshape({-1, width})};
}

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
  const ProjectionRows rows = linear.separate_projections
                                  ? TakeSeparate(weights, prefix, columns, config.width)
                                  : TakeByKeyHead(weights, prefix, linear, config.width);
  for (const auto& [part, offset] :
       {std::pair(rows.channels, int64_t{0}), std::pair(rows.gates, columns.gate_offset()),
        std::pair(rows.b, columns.b_offset()), std::pair(rows.a, columns.a_offset())}) {
    PackTensor(pool, part, {offset / kPanelColumns, 1}, &delta_net->input);
  }
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
