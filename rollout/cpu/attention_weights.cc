#include "rollout/cpu/attention_weights.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>

#include <algorithm>

#include "rollout/cpu/weight_packing.h"

namespace cohort::rollout {

namespace {

using kernels::kPanelColumns;
using kernels::PackedMatrix;
using kernels::PadToPanel;

struct Loader {
  kernels::ThreadPool& pool;
  AttentionWeights& attention;
  const policy::ModelConfig& config;
  policy::WeightSource& weights;
  const std::string& prefix;
  AttentionColumns columns;

  const policy::AttentionConfig& shape() const { return config.attention; }

  at::Tensor Matrix(const char* name, int64_t rows, int64_t depth) const {
    return TakeTensor(weights, prefix + name + ".weight", {rows, depth});
  }

  // Of each head query and gate: all queries, then all gates.
  at::Tensor QueriesFirst(const at::Tensor& rows) const {
    return rows.view({shape().num_heads, 2, shape().head_dim, -1})
        .transpose(0, 1)
        .contiguous()
        .view(rows.sizes());
  }

  // Columns of `input`, from `offset` on.
  struct HeadColumns {
    int64_t width, offset;
  };

  // One projection, or several whose rows follow each other in it.
  void LoadHeads(const char* name, const std::vector<HeadColumns>& parts) const {
    int64_t rows = 0;
    for (const HeadColumns& part : parts) rows += part.width;
    at::Tensor matrix = Matrix(name, rows, config.width), bias;
    if (shape().qkv_bias) bias = TakeTensor(weights, prefix + name + ".bias", {rows});
    if (shape().gated_output && parts.size() == 2) {
      matrix = QueriesFirst(matrix);
      if (bias.defined()) bias = QueriesFirst(bias);
    }
    int64_t row = 0;
    for (const HeadColumns& part : parts) {
      PackRows(pool, {matrix.data_ptr<float>() + row * config.width, part.width, config.width},
               {part.offset / kPanelColumns, 1}, &attention.input);
      if (bias.defined()) {
        std::copy_n(bias.data_ptr<float>() + row, part.width,
                    attention.input_bias.begin() + part.offset);
      }
      row += part.width;
    }
  }

  std::vector<float> QkNormWeight(const char* name, int64_t width) const {
    const bool by_head = shape().qk_norm == policy::QkNorm::kHead;
    return TakeNorm(weights, prefix + name + ".weight", by_head ? shape().head_dim : width,
                    config.norm_adds_one);
  }

  void LoadGroupedQuery() const {
    const HeadColumns queries{columns.query_width, 0};
    const HeadColumns keys{columns.key_width, columns.key_offset()};
    const HeadColumns values{columns.value_width, columns.value_offset()};
    const HeadColumns gates{columns.gate_width, columns.gate_offset()};
    if (config.fused_projections) {
      LoadHeads("qkv_proj", {queries, keys, values});
    } else {
      shape().gated_output ? LoadHeads("q_proj", {queries, gates}) : LoadHeads("q_proj", {queries});
      LoadHeads("k_proj", {keys});
      LoadHeads("v_proj", {values});
    }
    if (shape().qk_norm == policy::QkNorm::kNone) return;
    attention.query_norm = QkNormWeight("q_norm", columns.query_width);
    attention.key_norm = QkNormWeight("k_norm", columns.key_width);
  }

  // Where rotation takes neighbours, rows (2i, 2i + 1) of a head's last p go to (i, i + p / 2):
  // then the rotation of halves turns them. Queries and keys alike, so that their products stay.
  at::Tensor PairsApart(const at::Tensor& rows, int64_t heads) const {
    if (!config.rope.interleaved) return rows;
    const int64_t p = shape().qk_rope_head_dim, depth = rows.size(1);
    const at::Tensor by_head = rows.view({heads, -1, depth});
    const int64_t rest = by_head.size(1) - p;
    const at::Tensor turned = by_head.narrow(1, rest, p)
                                  .reshape({heads, p / 2, 2, depth})
                                  .transpose(1, 2)
                                  .reshape({heads, p, depth});
    return at::cat({by_head.narrow(1, 0, rest), turned}, 1).view(rows.sizes());
  }

  void LoadQueries() const {
    const int64_t heads = shape().num_heads, width = heads * shape().query_dim();
    const int64_t rank = shape().q_lora_rank;
    if (rank == 0) {
      return PackTensor(pool, PairsApart(Matrix("q_proj", width, config.width), heads), {},
                        &attention.input);
    }
    PackTensor(pool, Matrix("q_a_proj", rank, config.width), {}, &attention.input);
    attention.query_norm = TakeVector(weights, prefix + "q_a_layernorm.weight", rank);
    PackTensor(pool, PairsApart(Matrix("q_b_proj", width, rank), heads), {}, &attention.query);
  }

  LatentForm form() const {
    return attention.expand.depth() > 0 ? LatentForm::kExpanded : LatentForm::kAbsorbed;
  }

  // Rows of kv_b_proj: for each head n of the key, then v of the value.
  void LoadKvB() const {
    const int64_t heads = shape().num_heads, n = shape().qk_nope_head_dim, v = shape().v_head_dim,
                  rank = shape().kv_lora_rank;
    const at::Tensor rows = Matrix("kv_b_proj", heads * (n + v), rank);
    if (form() == LatentForm::kExpanded) return PackTensor(pool, rows, {}, &attention.expand);
    const at::Tensor both = rows.view({heads, n + v, rank});
    const at::Tensor keys = both.narrow(1, 0, n).transpose(1, 2).contiguous();
    const at::Tensor values = both.narrow(1, n, v).contiguous();
    for (int64_t head = 0; head < heads; ++head) {
      PackRows(pool, {keys.data_ptr<float>() + head * rank * n, rank, n},
               {head * PadToPanel(rank) / kPanelColumns, 1}, &attention.key_part);
      PackRows(pool, {values.data_ptr<float>() + head * v * rank, v, rank},
               {head * PadToPanel(v) / kPanelColumns, 1}, &attention.value_part);
    }
  }

  void LoadLatent() const {
    LoadQueries();
    PackTensor(pool, PairsApart(Matrix("kv_a_proj_with_mqa", columns.key_width, config.width), 1),
               {columns.key_offset() / kPanelColumns, 1}, &attention.input);
    attention.key_norm =
        TakeVector(weights, prefix + "kv_a_layernorm.weight", shape().kv_lora_rank);
    LoadKvB();
  }

  void LoadOutput() const {
    const int64_t heads = shape().num_heads, v = shape().value_dim();
    const int64_t gap = ValueStride(shape(), form()) - v;
    at::Tensor output = Matrix("o_proj", config.width, heads * v);
    if (gap > 0) {
      output = at::constant_pad_nd(output.view({config.width, heads, v}), {0, gap}, 0)
                   .view({config.width, -1});
    }
    PackTensor(pool, output, {}, &attention.output);
    if (shape().output_bias) {
      attention.output_bias = TakeVector(weights, prefix + "o_proj.bias", config.width);
    }
    if (shape().has_sinks) attention.sinks = TakeVector(weights, prefix + "sinks", heads);
  }
};

}  // namespace

kernels::KvLayout KvLayoutOf(const policy::AttentionConfig& attention, LatentForm form) {
  if (!attention.latent()) {
    return {attention.num_kv_heads, attention.head_dim, attention.head_dim};
  }
  if (form == LatentForm::kExpanded) {
    return {attention.num_heads, attention.query_dim(), attention.v_head_dim};
  }
  return {.kv_heads = 1,
          .key_dim = attention.kv_lora_rank + attention.qk_rope_head_dim,
          .value_dim = attention.kv_lora_rank,
          .values_in_keys = true};
}

AttentionColumns::AttentionColumns(const policy::AttentionConfig& attention)
    : query_width(attention.latent() && attention.q_lora_rank > 0
                      ? attention.q_lora_rank
                      : attention.num_heads * attention.query_dim()),
      key_width(KvLayoutOf(attention).kv_heads * KvLayoutOf(attention).key_dim),
      value_width(attention.latent() ? 0 : key_width),
      gate_width(attention.gated_output ? query_width : 0) {}

int64_t ValueStride(const policy::AttentionConfig& attention, LatentForm form) {
  if (!attention.latent()) return attention.head_dim;
  return form == LatentForm::kExpanded ? attention.v_head_dim : PadToPanel(attention.v_head_dim);
}

AttentionWeights AllocateAttention(const policy::ModelConfig& config, kernels::Storage storage,
                                   LatentForm form) {
  const policy::AttentionConfig& shape = config.attention;
  const int64_t heads = shape.num_heads, rank = shape.kv_lora_rank;
  const AttentionColumns columns(shape);
  AttentionWeights attention;
  attention.input = PackedMatrix(columns.total(), config.width, storage);
  attention.output = PackedMatrix(config.width, heads * ValueStride(shape, form), storage);
  if (shape.qkv_bias) attention.input_bias.assign(static_cast<size_t>(columns.total()), 0.0f);
  if (!shape.latent()) return attention;
  if (shape.q_lora_rank > 0) {
    attention.query = PackedMatrix(heads * shape.query_dim(), shape.q_lora_rank, storage);
  }
  if (form == LatentForm::kExpanded) {
    const int64_t rows = heads * (shape.qk_nope_head_dim + shape.v_head_dim);
    attention.expand = PackedMatrix(rows, rank, storage);
    return attention;
  }
  // What these multiply is no operand of the learner's products, which has the unabsorbed form: it
  // is not rounded.
  const kernels::Storage part =
      kernels::HoldsPairs(storage) ? kernels::Storage::kBFloat16 : storage;
  attention.key_part = PackedMatrix(heads * PadToPanel(rank), shape.qk_nope_head_dim, part);
  attention.value_part = PackedMatrix(heads * ValueStride(shape, form), rank, part);
  return attention;
}

int64_t AttentionWeightCount(const policy::ModelConfig& config, LatentForm form) {
  const policy::AttentionConfig& shape = config.attention;
  const int64_t heads = shape.num_heads, rank = shape.kv_lora_rank;
  const int64_t values = heads * ValueStride(shape, form);
  const int64_t count = (AttentionColumns(shape).total() + values) * config.width;
  if (!shape.latent()) return count;
  const int64_t queries = PadToPanel(heads * shape.query_dim()) * shape.q_lora_rank;
  if (form == LatentForm::kExpanded) {
    return count + queries + PadToPanel(heads * (shape.qk_nope_head_dim + shape.v_head_dim)) * rank;
  }
  return count + queries + heads * PadToPanel(rank) * shape.qk_nope_head_dim + values * rank;
}

void LoadAttention(kernels::ThreadPool& pool, const policy::ModelConfig& config,
                   policy::WeightSource& weights, const std::string& prefix,
                   AttentionWeights* attention) {
  const Loader loader{pool,    *attention, config,
                      weights, prefix,     AttentionColumns(config.attention)};
  config.attention.latent() ? loader.LoadLatent() : loader.LoadGroupedQuery();
  loader.LoadOutput();
}

}  // namespace cohort::rollout
