#pragma once

// A model's weights in the layout that the kernels read: packed panels, in fp32 or bf16. Norms,
// biases and the router stay fp32 whatever the storage, as KeptDtype (rollout/weight_dtype.h) says.

#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/thread_pool.h"
#include "policy/config/config.h"
#include "policy/weights/weight_source.h"
#include "rollout/cpu/attention_weights.h"
#include "rollout/cpu/delta_net_weights.h"

namespace cohort::rollout {

// unit(gate, up) -> down. gate_up alternates a panel of gates and a panel of ups; down's depth is
// padded to whole panels.
struct FfnWeights {
  kernels::PackedMatrix gate_up;
  kernels::PackedMatrix down;
};

struct LayerWeights {
  // Norms of what attention and FFN take and give, [D]; empty where the model has none.
  std::vector<float> attention_in, attention_out, ffn_in, ffn_out;
  AttentionWeights attention;  // this or the next one
  DeltaNetWeights delta_net;
  FfnWeights ffn;  // the dense FFN, or a MoE layer's shared expert (empty when it has none)
  // MoE layers. Vectors are empty where the model has no such tensor.
  kernels::PackedMatrix router;       // [E, D], fp32
  std::vector<float> router_bias;     // [PadToPanel(E)]
  std::vector<float> selection_bias;  // [E]
  FfnWeights experts;                 // E of them side by side
  // In the order of the packed columns (kernels/cpu/moe.h).
  std::vector<float> gate_up_bias, down_bias;
  kernels::PackedMatrix shared_gate;  // [1, D], fp32
};

class DecoderWeights {
 public:
  // Allocates for this shape. kEnvironment when memory does not suffice.
  DecoderWeights(const policy::ModelConfig& config, kernels::Storage storage,
                 LatentForm form = LatentForm::kAbsorbed);

  // Fills every tensor, the largest first and one taken at a time, so that the model is in memory
  // once; may be called again for new weights. kUsage naming a tensor that is missing or has
  // another shape. The weights may be of any floating dtype, on any device.
  void Load(policy::WeightSource& weights, kernels::ThreadPool& pool);

  int64_t bytes() const;
  LatentForm latent_form() const { return form_; }
  const kernels::PackedMatrix& head() const { return head_; }
  // The tied head serves as the embedding too: a row is read out of its panels.
  const kernels::PackedMatrix& embedding() const {
    return config_.tie_embeddings ? head_ : embedding_;
  }
  const std::vector<LayerWeights>& layers() const { return layers_; }
  const std::vector<float>& final_norm() const { return final_norm_; }

 private:
  void LoadLayer(policy::WeightSource& weights, int64_t index, kernels::ThreadPool& pool);

  policy::ModelConfig config_;
  kernels::Storage storage_;
  LatentForm form_;
  std::vector<LayerWeights> layers_;
  std::vector<float> final_norm_;
  kernels::PackedMatrix embedding_, head_;
};

// Bytes that DecoderWeights will hold for this shape.
int64_t DecoderWeightBytes(const policy::ModelConfig& config, kernels::Storage storage,
                           LatentForm form);

}  // namespace cohort::rollout
