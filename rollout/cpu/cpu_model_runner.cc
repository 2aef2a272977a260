#include "rollout/cpu/cpu_model_runner.h"

#include <algorithm>
#include <string>

#include "base/available_memory.h"
#include "base/error.h"
#include "policy/config/routing_format.h"
#include "rollout/cpu/model_check.h"

namespace cohort::rollout {

namespace {

constexpr int64_t kSharedCacheBytes = int64_t{24} << 20;
constexpr int64_t kLogitFloats = int64_t{8} << 20;  // 32 MiB of logits at a time

kernels::Storage StorageOf(const DecoderOptions& options) {
  if (options.dtype == policy::Dtype::kFloat32) return kernels::Storage::kFloat32;
  switch (options.numerics) {
    case kernels::Numerics::kFloat32:
    case kernels::Numerics::kFp8Blocks:  // a learner's alone
      break;
    case kernels::Numerics::kBf16Dot:
      return kernels::Storage::kBf16Pairs;
    case kernels::Numerics::kBf16Amx:
      return kernels::Storage::kAmxPairs;
  }
  return kernels::Storage::kBFloat16;
}

LatentForm FormOf(const DecoderOptions& options) {
  return options.deterministic ? LatentForm::kExpanded : LatentForm::kAbsorbed;
}

// As many blocks as all running sequences and their prompts can hold.
int64_t UsefulBlocks(const policy::ModelConfig& config, const DecoderOptions& options) {
  const int64_t running = options.max_running;
  int64_t blocks = 0;
  for (const int64_t window : LayerGroups(config).windows) {
    const int64_t all = (KvBlocksFor(config.max_positions) + 1) * (running + 1);
    // Each sequence a window beside its prompt's, those that are computed in a step more.
    const int64_t seen = 2 * running * (KvBlocksFor(window) + 1) +
                         KvBlocksFor(options.tokens_per_step) + 2 * running;
    blocks += window == 0 ? all : std::min(all, seen);
  }
  return blocks;
}

// Recurrent states for all running samples and the prompts' share (StatePool), in half of the
// memory at most: what they leave is for keys and values.
int64_t StateSlots(const policy::ModelConfig& config, const DecoderOptions& options) {
  const int64_t bytes = RecurrentStateBytes(config);
  if (bytes == 0) return 0;
  const int64_t fitting = options.kv_cache_bytes / 2 / bytes;
  if (fitting < 2) {
    throw Error(ErrorCode::kUsage,
                "half of the KV cache bound of " + std::to_string(options.kv_cache_bytes) +
                    " bytes holds no two recurrent states, a prompt's and a sample's: one takes " +
                    std::to_string(bytes),
                "raise rollout.kv_cache_mb");
  }
  return std::min(fitting, int64_t{options.max_running} + (options.max_running + 2) / 3);
}

const policy::ModelConfig& Checked(const policy::ModelConfig& config,
                                   const DecoderOptions& options) {
  CheckModel(config);
  CheckOptions(options);
  const int64_t weights = DecoderWeightBytes(config, StorageOf(options), FormOf(options));
  const int64_t block = KvLayoutOf(config.attention, FormOf(options)).block_floats() *
                        LayerGroups(config).group_layers * 4;
  const int64_t states = StateSlots(config, options) * RecurrentStateBytes(config);
  const int64_t cache =
      states + std::min(options.kv_cache_bytes - states, UsefulBlocks(config, options) * block);
  const int64_t available = base::AvailableMemory();
  if (available >= 0 && weights + cache > available) {
    throw Error(ErrorCode::kEnvironment,
                "the decoder needs " + std::to_string(weights >> 20) +
                    " MiB for weights and up to " + std::to_string(cache >> 20) +
                    " MiB for the KV cache" + (states > 0 ? " and recurrent states; " : "; ") +
                    std::to_string(available >> 20) + " MiB are available",
                "lower rollout.kv_cache_mb, set rollout.dtype=bfloat16, or use a smaller model");
  }
  return config;
}

}  // namespace

CpuModelRunner::CpuModelRunner(const policy::ModelConfig& config, const DecoderOptions& options)
    : config_(Checked(config, options)),
      pool_(options.num_threads),
      weights_(config_, StorageOf(options), FormOf(options)),
      states_(config_, StateSlots(config_, options)),
      cache_(KvLayoutOf(config_.attention, FormOf(options)), LayerGroups(config_),
             options.kv_cache_bytes - states_.num_slots() * RecurrentStateBytes(config_),
             UsefulBlocks(config_, options)),
      ropes_(config_),
      whole_(MakeLane(0, &pool_)) {
  if (pool_.size() == 1 || weights_.bytes() > kSharedCacheBytes) return;
  for (int i = 0; i < pool_.size(); ++i) lanes_.push_back(MakeLane(i, nullptr));
}

RunnerShape CpuModelRunner::shape() const {
  return {.vocab_size = config_.vocab_size,
          .max_positions = config_.max_positions,
          .num_blocks = cache_.num_blocks(),
          .block_tokens = kernels::kBlockTokens,
          .num_workers = pool_.size(),
          .windows = cache_.groups().windows,
          .rope_boundary = ropes_.boundary(),
          .num_states = states_.num_slots(),
          .routing_bytes = policy::RoutingFormatOf(config_).token_bytes()};
}

void CpuModelRunner::LoadWeights(policy::WeightSource& weights) { weights_.Load(weights, pool_); }

CpuModelRunner::Lane CpuModelRunner::MakeLane(int first_worker, kernels::ThreadPool* pool) {
  Lane lane{.first_worker = first_worker, .pool = pool, .own_pool = nullptr, .forward = nullptr};
  if (pool == nullptr) {
    lane.own_pool = std::make_unique<kernels::ThreadPool>(1);
    lane.pool = lane.own_pool.get();
  }
  const ForwardContext context{config_, weights_, ropes_, cache_, states_, kernels::BestOps()};
  lane.forward = std::make_unique<Forward>(context, *lane.pool);
  return lane;
}

std::vector<size_t> CpuModelRunner::DivideSequences(std::span<const SequenceRows> sequences) const {
  const size_t lanes = lanes_.size();
  if (lanes == 0 || sequences.size() < lanes) return {};
  int64_t rows = 0;
  for (const SequenceRows& sequence : sequences) {
    rows += static_cast<int64_t>(sequence.tokens.size());
  }
  std::vector<size_t> ends;
  int64_t taken = 0, before = 0, heaviest = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    taken += static_cast<int64_t>(sequences[i].tokens.size());
    const auto nth = static_cast<int64_t>(ends.size()) + 1;
    if (taken * static_cast<int64_t>(lanes) < nth * rows && i + 1 < sequences.size()) continue;
    ends.push_back(i + 1);
    heaviest = std::max(heaviest, taken - before);
    before = taken;
  }
  const bool even = heaviest * static_cast<int64_t>(lanes) * 4 <= rows * 5 + 4;
  return even && ends.size() <= lanes ? ends : std::vector<size_t>{};
}

void CpuModelRunner::Step(const ModelStep& step, const LogitsSink& sink) {
  for (const BlockCopy& copy : step.copies) cache_.Copy(copy.from, copy.to);
  for (const BlockCopy& copy : step.state_copies) states_.Copy(copy.from, copy.to);
  for (const SequenceRows& sequence : step.sequences) {
    if (sequence.start == 0 && sequence.state != kNoState) states_.Clear(sequence.state);
  }
  int64_t positions = 0;
  for (const SequenceRows& sequence : step.sequences) {
    positions = std::max(positions, sequence.start + static_cast<int64_t>(sequence.tokens.size()));
  }
  ropes_.Reserve(positions);
  const std::vector<size_t> ends = DivideSequences(step.sequences);
  if (ends.empty()) return RunLane(whole_, {0, step.sequences}, sink);
  pool_.ParallelFor(static_cast<int64_t>(ends.size()), [&](int64_t task, int) {
    const auto lane = static_cast<size_t>(task);
    const size_t begin = lane == 0 ? 0 : ends[lane - 1];
    RunLane(lanes_[lane], {begin, step.sequences.subspan(begin, ends[lane] - begin)}, sink);
  });
}

void CpuModelRunner::RunLane(Lane& lane, const LaneShare& share, const LogitsSink& sink) {
  std::vector<int64_t> rows;      // of the forward pass, those whose logits are wanted
  std::vector<LogitsRow> wanted;  // what the sink is told about each
  int64_t row = 0;
  for (size_t i = 0; i < share.sequences.size(); ++i) {
    const auto count = static_cast<int64_t>(share.sequences[i].tokens.size());
    for (int64_t token = count - share.sequences[i].num_logits; token < count; ++token) {
      rows.push_back(row + token);
      wanted.push_back({.sequence = share.first + i, .token = static_cast<size_t>(token)});
    }
    row += count;
  }
  lane.forward->Run(share.sequences);
  const int64_t ld = lane.forward->ld_logits();
  const auto chunk = static_cast<size_t>(std::max<int64_t>(1, kLogitFloats / ld));
  for (size_t begin = 0; begin < rows.size(); begin += chunk) {
    const auto part = std::span(rows).subspan(begin, std::min(chunk, rows.size() - begin));
    const float* logits = lane.forward->Logits(part);
    lane.pool->ParallelFor(static_cast<int64_t>(part.size()), [&](int64_t i, int worker) {
      LogitsRow told = wanted[begin + static_cast<size_t>(i)];
      told.logits = logits + i * ld;
      told.worker = lane.first_worker + worker;
      sink(told);
    });
  }
}

}  // namespace cohort::rollout
