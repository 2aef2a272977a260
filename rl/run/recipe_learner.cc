#include "rl/run/recipe_learner.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <utility>

#include "policy/tensor/tensor_memory.h"
#include "rl/run/initial_policy.h"

namespace cohort::rl {

void PrepareLibTorch(int threads) {
  // A quarter of the machine's memory: about what the activations of one micro-batch take.
  const auto pages = static_cast<size_t>(sysconf(_SC_PHYS_PAGES));
  policy::KeepTensorMemory(pages / 4 * static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  if (threads > 0) at::set_num_threads(threads);
}

std::unique_ptr<Learner> MakeLearner(const proto::Recipe& recipe, policy::Model* model) {
  auto learner = std::make_unique<Learner>(model->config, std::exchange(model->weights, {}),
                                           RecipeLearnerOptions(recipe));
  const proto::Lora& lora = recipe.lora();
  if (lora.rank() > 0) {
    learner->TrainAdapters(
        {lora.rank(), lora.alpha(), {lora.targets().begin(), lora.targets().end()}}, recipe.seed());
  }
  return learner;
}

}  // namespace cohort::rl
