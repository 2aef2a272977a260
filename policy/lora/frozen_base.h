#pragma once

// The frozen matrices of an adapted policy in fewer bits, as QLoRA keeps its base (arXiv
// 2305.14314): products read them piece by piece, and no fp32 copy remains.

#include <cstdint>

#include "policy/lora/config.h"
#include "policy/transformer/transformer.h"
#include "policy/weights/weight_source.h"

namespace cohort::policy {

// From now on the frozen matrices of attention's projections and FFNs, those that a folder in FP8
// has in FP8 (StoredDtype in policy/weights/stored_tensors.h), are kept so; embedding, head, gates,
// norms and biases stay fp32. fp8 rounds to e4m3 with a scale for each block of 128 x 128
// (policy/weights/fp8_blocks.h), or takes what `published`, where there is one, has in FP8, bit for
// bit. One matrix after the other: memory never grows by more than one. kUsage where nothing is
// frozen: adapters come first.
void KeepBase(TransformerImpl& policy, BaseFormat format, WeightSource* published = nullptr);

// Bytes of the frozen matrices, scales among them.
int64_t BaseBytes(const TransformerImpl& policy);

}  // namespace cohort::policy
