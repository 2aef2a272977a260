// A learner that trains low-rank adapters: its reference, and adapters that it goes on with.

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>

#include "policy/lora/peft.h"
#include "rl/learner/learner.h"
#include "tests/rl/learner/update_golden.h"

namespace cohort::rl {
namespace {

// The loss is the mean of the tokens' negative logprobs; every sequence takes part.
PolicyObjective MeanLogprob() {
  return {[](const PolicyLossInputs& inputs) {
            PolicyLoss part;
            part.loss = -inputs.policy_logprobs_T.sum() /
                        static_cast<double>(std::max<int64_t>(1, inputs.totals.num_tokens));
            part.metrics.num_tokens = inputs.policy_logprobs_T.numel();
            return part;
          },
          /*needs_ref_logprobs=*/true};
}

policy::LoraConfig Adapters() { return {4, 8, {policy::kAllLinear}}; }

class LearnerOfAdapters : public ::testing::Test {
 protected:
  Learner Make() {
    return Learner(golden_.model.config, golden_.Start(), golden_.Options(/*max_tokens=*/2048));
  }

  const UpdateGolden golden_{"tiny_moe"};
};

// Bytes of LibTorch's tensors on the CPU, from here on.
class CountedMemory final : public c10::Allocator {
 public:
  CountedMemory() : before_(c10::GetCPUAllocator()) {
    Live() = 0;
    c10::SetCPUAllocator(this, /*priority=*/250);
  }
  ~CountedMemory() override { c10::SetCPUAllocator(before_, /*priority=*/250); }
  int64_t live() const { return Live(); }

  c10::DataPtr allocate(size_t bytes) override {
    auto* block = static_cast<std::byte*>(std::aligned_alloc(64, (bytes / 64 + 2) * 64));
    *reinterpret_cast<int64_t*>(block) = static_cast<int64_t>(bytes);
    Live() += static_cast<int64_t>(bytes);
    return {block + 64, block + 64, &Free, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  static std::atomic<int64_t>& Live() {
    static std::atomic<int64_t> live = 0;
    return live;
  }
  static void Free(void* data) {
    std::byte* block = static_cast<std::byte*>(data) - 64;
    Live() -= *reinterpret_cast<int64_t*>(block);
    std::free(block);
  }
  c10::Allocator* before_;
};

int64_t BytesOf(const policy::WeightMap& weights) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : weights) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

std::vector<std::vector<float>> RefLogprobs(Learner& learner,
                                            std::vector<TrainingSequence> sequences) {
  learner.RecordRefLogprobs(sequences);
  std::vector<std::vector<float>> logprobs;
  for (const TrainingSequence& sequence : sequences) logprobs.push_back(sequence.ref_logprobs);
  return logprobs;
}

std::vector<std::vector<float>> OldLogprobs(Learner& learner,
                                            std::vector<TrainingSequence> sequences) {
  learner.RecordOldLogprobs(MeanLogprob(), sequences);
  std::vector<std::vector<float>> logprobs;
  for (const TrainingSequence& sequence : sequences) logprobs.push_back(sequence.old_logprobs);
  return logprobs;
}

// The reference of fresh adapters is the policy without them: no memory, and the bits of a copy.
TEST_F(LearnerOfAdapters, TheBaseIsTheReferenceOfFreshAdaptersWithoutASecondCopy) {
  Learner base = Make(), learner = Make();
  base.ResetReference();
  learner.TrainAdapters(Adapters(), /*seed=*/1);
  {
    const CountedMemory memory;
    learner.ResetReference();
    EXPECT_EQ(memory.live(), 0);
    base.ResetReference();  // whose reference is a copy
    EXPECT_GE(memory.live(), BytesOf(base.Weights()));
    base.DropReference();
  }
  base.ResetReference();
  for (const size_t batch : {0, 1}) {  // they move, the base does not
    const auto before = OldLogprobs(learner, golden_.Batch(1));
    EXPECT_EQ(RefLogprobs(learner, golden_.Batch(1)), RefLogprobs(base, golden_.Batch(1)));
    EXPECT_EQ(OldLogprobs(learner, golden_.Batch(1)), before) << "the adapters are on again";
    learner.PolicyUpdate(MeanLogprob(), golden_.Batch(batch), 1e-2);
  }
  EXPECT_NE(OldLogprobs(learner, golden_.Batch(1)), RefLogprobs(learner, golden_.Batch(1)));
}

// A round that starts with adapters that were trained compares with these.
TEST_F(LearnerOfAdapters, TheReferenceOfTrainedAdaptersIsACopyOfThemAlone) {
  Learner learner = Make(), then = Make();
  learner.TrainAdapters(Adapters(), /*seed=*/1);
  learner.PolicyUpdate(MeanLogprob(), golden_.Batch(0), 1e-2);
  then.TrainAdapters({Adapters(), Copied(learner.Adapter()->weights)}, /*seed=*/1);
  const int64_t adapters = BytesOf(learner.Adapter()->weights);
  {
    const CountedMemory memory;
    learner.ResetReference();
    EXPECT_EQ(memory.live(), adapters);
    learner.DropReference();
  }
  learner.ResetReference();
  const auto start = OldLogprobs(learner, golden_.Batch(1));
  EXPECT_EQ(RefLogprobs(learner, golden_.Batch(1)), start);
  learner.PolicyUpdate(MeanLogprob(), golden_.Batch(1), 1e-2);
  EXPECT_EQ(RefLogprobs(learner, golden_.Batch(1)), start);
  EXPECT_EQ(OldLogprobs(then, golden_.Batch(1)), start);
  EXPECT_NE(OldLogprobs(learner, golden_.Batch(1)), start);

  // The policy of today is in its place, and goes on.
  const policy::WeightMap before = Copied(learner.Adapter()->weights);
  RefLogprobs(learner, golden_.Batch(0));
  ExpectSameBits(learner.Adapter()->weights, before);
}

TEST_F(LearnerOfAdapters, AdaptersThatWereTrainedBeforeAreGoneOnWith) {
  Learner first = Make(), second = Make();
  first.TrainAdapters(Adapters(), /*seed=*/1);
  first.PolicyUpdate(MeanLogprob(), golden_.Batch(0), 1e-2);
  second.TrainAdapters({Adapters(), Copied(first.Adapter()->weights)}, /*seed=*/1);
  ExpectSameBits(second.Weights(), first.Weights());
  first.ResetOptimizer();
  EXPECT_EQ(first.PolicyUpdate(MeanLogprob(), golden_.Batch(1), 1e-2).loss,
            second.PolicyUpdate(MeanLogprob(), golden_.Batch(1), 1e-2).loss);
  ExpectSameBits(second.Weights(), first.Weights());
}

TEST_F(LearnerOfAdapters, ASavedStateKnowsThatTheBaseIsTheReference) {
  Learner straight = Make(), resumed = Make();
  straight.TrainAdapters(Adapters(), /*seed=*/1);
  resumed.TrainAdapters(Adapters(), /*seed=*/1);
  straight.ResetReference();
  straight.PolicyUpdate(MeanLogprob(), golden_.Batch(0), 1e-2);
  resumed.LoadState(Copied(straight.SaveState()));
  EXPECT_EQ(RefLogprobs(resumed, golden_.Batch(1)), RefLogprobs(straight, golden_.Batch(1)));
  ExpectSameBits(resumed.SaveState(), straight.SaveState());
}

policy::LoraConfig WithDropout(double share) {
  policy::LoraConfig config = Adapters();
  config.dropout = share;
  return config;
}

TEST_F(LearnerOfAdapters, DropoutDoesNotDependOnTheMicroBatches) {
  std::vector<policy::WeightMap> after;
  for (const int64_t max_tokens : {2048, 16, 1}) {
    Learner learner(golden_.model.config, golden_.Start(), golden_.Options(max_tokens));
    learner.TrainAdapters(WithDropout(0.5), /*seed=*/1);
    learner.PolicyUpdate(MeanLogprob(), golden_.Batch(0), 1e-2);
    learner.PolicyUpdate(MeanLogprob(), golden_.Batch(1), 1e-2);
    after.push_back(Copied(learner.Adapter()->weights));
  }
  ExpectWeights(after[1], after[0], kWeightTolerance);
  ExpectWeights(after[2], after[0], kWeightTolerance);
}

TEST_F(LearnerOfAdapters, DropoutIsOfUpdatesAndOfNoLogprobs) {
  const auto trained = [&](double share, int updates) {
    Learner learner = Make();
    learner.TrainAdapters(WithDropout(share), /*seed=*/1);
    learner.PolicyUpdate(MeanLogprob(), golden_.Batch(0), 1e-2);  // B is zero at first
    const auto before = OldLogprobs(learner, golden_.Batch(0));
    std::vector<double> losses;
    for (int i = 0; i < updates; ++i) {
      losses.push_back(learner.PolicyUpdate(MeanLogprob(), golden_.Batch(0), 0).loss);
    }
    EXPECT_EQ(OldLogprobs(learner, golden_.Batch(0)), before) << "a rate of 0 changes nothing";
    return losses;
  };
  const std::vector<double> without = trained(0, 2), with = trained(0.5, 2);
  EXPECT_EQ(without[0], without[1]);
  EXPECT_NE(with[0], with[1]);
  EXPECT_EQ(trained(0.5, 2), with);

  Learner plain = Make(), dropping = Make();
  plain.TrainAdapters(Adapters(), /*seed=*/1);
  plain.PolicyUpdate(MeanLogprob(), golden_.Batch(0), 1e-2);
  dropping.TrainAdapters({WithDropout(0.5), Copied(plain.Adapter()->weights)}, /*seed=*/1);
  EXPECT_FALSE(plain.drops_inputs());
  EXPECT_TRUE(dropping.drops_inputs());
  EXPECT_EQ(OldLogprobs(dropping, golden_.Batch(1)), OldLogprobs(plain, golden_.Batch(1)));
}

TEST_F(LearnerOfAdapters, ASavedStateGoesOnWithTheDrawsThatWouldHaveFollowed) {
  Learner straight = Make(), resumed = Make();
  straight.TrainAdapters(WithDropout(0.3), /*seed=*/1);
  resumed.TrainAdapters(WithDropout(0.3), /*seed=*/1);
  straight.PolicyUpdate(MeanLogprob(), golden_.Batch(0), 1e-2);
  resumed.LoadState(Copied(straight.SaveState()));
  EXPECT_EQ(resumed.PolicyUpdate(MeanLogprob(), golden_.Batch(1), 1e-2).loss,
            straight.PolicyUpdate(MeanLogprob(), golden_.Batch(1), 1e-2).loss);
  ExpectSameBits(resumed.SaveState(), straight.SaveState());
}

TEST_F(LearnerOfAdapters, OnABaseInFewerBitsTrainAndArePublishedWithIt) {
  for (const policy::BaseFormat format : {policy::BaseFormat::kBFloat16, policy::BaseFormat::kFp8}) {
    Learner learner = Make();
    learner.TrainAdapters(Adapters(), 5);
    learner.KeepBase(format);
    learner.ResetReference();
    const policy::WeightMap before = Copied(learner.Weights());
    std::vector<TrainingSequence> sequences = golden_.Batch(0);
    learner.RecordRefLogprobs(sequences);
    const std::vector<float> reference = sequences[0].ref_logprobs;
    const double first = learner.PolicyUpdate(MeanLogprob(), sequences, 1e-2).loss;
    for (int i = 0; i < 5; ++i) learner.PolicyUpdate(MeanLogprob(), sequences, 1e-2);
    EXPECT_LT(learner.PolicyUpdate(MeanLogprob(), sequences, 1e-2).loss, first - 0.1);
    learner.RecordRefLogprobs(sequences);
    EXPECT_EQ(sequences[0].ref_logprobs, reference);
    int changed = 0;
    for (const auto& [name, weight] : learner.DecoderWeights()) {
      ASSERT_TRUE(weight.scalar_type() == at::kFloat || weight.scalar_type() == at::kBFloat16);
      changed += at::equal(weight, before.at(name)) ? 0 : 1;
    }
    EXPECT_GT(changed, 4);
    EXPECT_EQ(learner.NonFiniteWeight(), "");
  }
}

}  // namespace
}  // namespace cohort::rl
