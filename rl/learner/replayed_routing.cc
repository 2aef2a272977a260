#include "rl/learner/replayed_routing.h"

#include <ATen/ops/full.h>

#include <algorithm>

#include "base/error.h"

namespace cohort::rl {
namespace {

// Tokens of a completion that are read: its last one predicts nothing.
int64_t InputTokens(const TrainingSequence& sequence) {
  return std::max<int64_t>(0, sequence.completion_length() - 1);
}

void Unpack(const policy::RoutingFormat& format, std::string_view bytes, int64_t row,
            at::Tensor* experts_TLK) {
  const int64_t per_token = format.moe_layers * format.experts_per_token;
  const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
  auto* to = experts_TLK->mutable_data_ptr<int32_t>() + row * per_token;
  const int64_t count = std::ssize(bytes) / format.number_bytes();
  for (int64_t i = 0; i < count; ++i) to[i] = format.Read(from, i);
}

}  // namespace

at::Tensor ReplayedExperts(std::span<const TrainingSequence> sequences, const MicroBatch& batch,
                           const policy::RoutingFormat& format) {
  const auto has = [&](int64_t index) {
    return sequences[static_cast<size_t>(index)].prompt_routing != nullptr;
  };
  const std::vector<int64_t>& chosen = batch.sequences_B;
  if (std::none_of(chosen.begin(), chosen.end(), has)) return {};
  COHORT_CHECK(std::all_of(chosen.begin(), chosen.end(), has),
               "some sequences of a micro-batch have routing that others lack");
  at::Tensor experts_TLK =
      at::full({batch.tokens.ids_T.numel(), format.moe_layers, format.experts_per_token}, 0,
               at::TensorOptions(at::kInt));
  for (size_t i = 0; i < chosen.size(); ++i) {
    const TrainingSequence& sequence = sequences[static_cast<size_t>(chosen[i])];
    const std::string& prompt = *sequence.prompt_routing;
    const int64_t token = format.token_bytes();
    COHORT_CHECK(std::ssize(prompt) == sequence.prompt_length * token &&
                     std::ssize(sequence.routing) == InputTokens(sequence) * token,
                 "a sequence's routing is not that of its tokens");
    Unpack(format, prompt, batch.row_spans_B[i].prompt, &experts_TLK);
    Unpack(format, sequence.routing, batch.row_spans_B[i].completion, &experts_TLK);
  }
  return experts_TLK;
}

}  // namespace cohort::rl
