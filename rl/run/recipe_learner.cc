#include "rl/run/recipe_learner.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <utility>

#include "policy/tensor/tensor_memory.h"
#include "rl/run/initial_policy.h"
#include "rl/run/recipe_adapter.h"

namespace cohort::rl {

void PrepareLibTorch(int threads) {
  // A quarter of the machine's memory: about what the activations of one micro-batch take.
  const auto pages = static_cast<size_t>(sysconf(_SC_PHYS_PAGES));
  policy::KeepTensorMemory(pages / 4 * static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  if (threads > 0) at::set_num_threads(threads);
}

namespace {

// A folder that is in FP8 is opened once more: its numbers and scales as they are.
void KeepBase(const proto::Recipe& recipe, Learner* learner) {
  const proto::Model& model = recipe.model();
  switch (recipe.lora().base()) {
    case proto::Lora::BASE_FLOAT32:
      return;
    case proto::Lora::BASE_BFLOAT16:
      return learner->KeepBase(policy::BaseFormat::kBFloat16);
    case proto::Lora::BASE_FP8:
      break;
  }
  if (model.has_scratch() || model.has_upcycle()) {
    return learner->KeepBase(policy::BaseFormat::kFp8);
  }
  const bool with_mtp = recipe.mtp().layers() == proto::Mtp::LAYERS_LOAD;
  const policy::OpenedModel opened =
      policy::OpenModel(model.path(), policy::Dtype::kFloat32,
                        with_mtp ? policy::MtpLayers::kLoad : policy::MtpLayers::kLeaveOut);
  learner->KeepBase(policy::BaseFormat::kFp8, opened.weights.get());
}

}  // namespace

std::unique_ptr<Learner> MakeLearner(const proto::Recipe& recipe, policy::Model* model) {
  auto learner = std::make_unique<Learner>(model->config, std::exchange(model->weights, {}),
                                           RecipeLearnerOptions(recipe));
  const std::optional<policy::LoraAdapter> adapter = RecipeAdapter(recipe, model->config);
  if (!adapter.has_value()) return learner;
  if (adapter->weights.empty()) {
    learner->TrainAdapters(adapter->config, recipe.seed());
  } else {
    learner->TrainAdapters(*adapter, recipe.seed());
  }
  KeepBase(recipe, learner.get());
  return learner;
}

}  // namespace cohort::rl
