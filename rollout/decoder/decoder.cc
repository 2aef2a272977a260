#include "rollout/decoder/decoder.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string>
#include <utility>

#include "base/available_memory.h"
#include "base/error.h"
#include "rollout/cpu/model_check.h"
#include "rollout/decoder/step_runner.h"

namespace cohort::rollout {

namespace {

[[noreturn]] void Refuse(const std::string& message, const std::string& hint = "") {
  throw Error(ErrorCode::kUsage, message, hint);
}

void CheckOptions(const DecoderOptions& options) {
  if (options.num_threads < 0) Refuse("num_threads must be 0 (all cores) or positive");
  if (options.max_running < 1) Refuse("max_running must be at least 1");
  if (options.tokens_per_step < 1) Refuse("tokens_per_step must be at least 1");
}

kernels::Storage StorageOf(WeightDtype dtype) {
  return dtype == WeightDtype::kFloat32 ? kernels::Storage::kFloat32 : kernels::Storage::kBFloat16;
}

int64_t UsefulBlocks(const policy::ModelConfig& config, const DecoderOptions& options) {
  return (BlocksFor(config.max_positions) + 1) * (int64_t{options.max_running} + 1);
}

const policy::ModelConfig& Checked(const policy::ModelConfig& config,
                                   const DecoderOptions& options) {
  CheckModel(config);
  CheckOptions(options);
  const int64_t weights = DecoderWeightBytes(config, StorageOf(options.dtype));
  const int64_t block = KvLayoutOf(config.attention).block_floats() * config.num_layers * 4;
  const int64_t cache = std::min(options.kv_cache_bytes, UsefulBlocks(config, options) * block);
  const int64_t available = base::AvailableMemory();
  if (available >= 0 && weights + cache > available) {
    throw Error(ErrorCode::kEnvironment,
                "the decoder needs " + std::to_string(weights >> 20) +
                    " MiB for weights and up to " + std::to_string(cache >> 20) +
                    " MiB for the KV cache; " + std::to_string(available >> 20) +
                    " MiB are available",
                "lower kv_cache_bytes, use bfloat16 storage, or a smaller model");
  }
  return config;
}

}  // namespace

struct Decoder::Impl {
  Impl(const policy::ModelConfig& model, const DecoderOptions& wanted, int64_t version)
      : config(Checked(model, wanted)),
        options(wanted),
        policy_version(version),
        pool(options.num_threads),
        weights(config, StorageOf(options.dtype)),
        cache(KvLayoutOf(config.attention), config.num_layers, options.kv_cache_bytes,
              UsefulBlocks(config, options)),
        rope(policy::ComputeRopeFrequencies(config.rope, config.attention.rotary_dim())),
        scheduler({options.max_running, options.tokens_per_step}, cache),
        runner({config, weights, rope, cache, kernels::BestOps()}, pool) {}

  void CheckRequest(const GroupRequest& request) const;
  void CheckIds(std::span<const int32_t> ids) const;
  bool Finished(const Group& group, const Sample& sample, FinishReason& reason) const;
  std::vector<Completion> Collect(const std::vector<PlannedTokens>& plan);
  void CountStep(const std::vector<PlannedTokens>& plan, double seconds);

  policy::ModelConfig config;
  DecoderOptions options;
  int64_t policy_version;
  kernels::ThreadPool pool;
  DecoderWeights weights;
  KvCache cache;
  RopeTable rope;
  Scheduler scheduler;
  StepRunner runner;
  DecoderStats stats;
  TokenListener listener;
};

void Decoder::Impl::CheckIds(std::span<const int32_t> ids) const {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < config.vocab_size) continue;
    Refuse("token " + std::to_string(i) + " has id " + std::to_string(ids[i]) +
           ", outside the vocabulary of " + std::to_string(config.vocab_size));
  }
}

void Decoder::Impl::CheckRequest(const GroupRequest& request) const {
  const auto length = static_cast<int64_t>(request.prompt_ids.size());
  if (length == 0) Refuse("the prompt is empty");
  if (request.sample_ids.empty()) Refuse("the group asks for no sample");
  CheckSampling(request.sampling);
  CheckIds(request.prompt_ids);
  if (length >= config.max_positions) {
    Refuse("the prompt has " + std::to_string(length) +
           " tokens, which leaves no room for a completion in the context of " +
           std::to_string(config.max_positions));
  }
  const int64_t longest =
      std::min<int64_t>(length + request.sampling.max_new_tokens, config.max_positions);
  if (!scheduler.FitsAlone(longest)) {
    Refuse("a sequence of " + std::to_string(longest) + " tokens does not fit in the KV cache of " +
               std::to_string(cache.num_blocks()) + " blocks of " +
               std::to_string(kernels::kBlockTokens),
           "raise kv_cache_bytes or lower max_new_tokens");
  }
}

bool Decoder::Impl::Finished(const Group& group, const Sample& sample, FinishReason& reason) const {
  const Sampling& sampling = group.request.sampling;
  const std::vector<int32_t>& stops = sampling.stop_ids;
  const auto length = static_cast<int64_t>(sample.ids.size());
  if (std::find(stops.begin(), stops.end(), sample.ids.back()) != stops.end()) {
    reason = FinishReason::kStop;
    return true;
  }
  reason = FinishReason::kLength;
  return length >= sampling.max_new_tokens ||
         group.prompt_length() + length >= config.max_positions;
}

std::vector<Completion> Decoder::Impl::Collect(const std::vector<PlannedTokens>& plan) {
  std::vector<Completion> completions;
  const auto collect = [&](const Group& group, Sample& sample) {
    FinishReason reason;
    if (sample.state == SampleState::kFinished || sample.ids.empty()) return;
    while (listener && sample.told < sample.ids.size()) {
      listener(group.request.group_id, sample.sample_id, sample.ids[sample.told++]);
    }
    if (!Finished(group, sample, reason)) return;
    completions.push_back({.group_id = group.request.group_id,
                           .sample_id = sample.sample_id,
                           .ids = std::move(sample.ids),
                           .rollout_logprobs = std::move(sample.logprobs),
                           .finish_reason = reason,
                           .policy_version = policy_version});
    scheduler.Finish(sample);
  };
  for (const PlannedTokens& item : plan) {
    if (item.sample != nullptr) {
      collect(*item.group, *item.sample);
    } else {
      for (Sample& sample : item.group->samples) collect(*item.group, sample);
    }
  }
  scheduler.DropFinishedGroups();
  return completions;
}

void Decoder::Impl::CountStep(const std::vector<PlannedTokens>& plan, double seconds) {
  uint64_t decode = 0, prefill = 0;
  for (const PlannedTokens& item : plan) {
    const bool decoding = item.sample != nullptr && item.count == 1;
    (decoding ? decode : prefill) += static_cast<uint64_t>(item.count);
  }
  stats.decode_tokens += decode;
  stats.prefill_tokens += prefill;
  const double share = static_cast<double>(decode) / static_cast<double>(decode + prefill);
  stats.decode_seconds += seconds * share;
  stats.prefill_seconds += seconds * (1 - share);
}

Decoder::Decoder(const policy::ModelConfig& config, policy::WeightSource& weights,
                 const DecoderOptions& options, int64_t policy_version)
    : impl_(std::make_unique<Impl>(config, options, policy_version)) {
  impl_->weights.Load(weights, impl_->pool);
}

Decoder::Decoder(const policy::ModelConfig& config, policy::WeightMap weights,
                 const DecoderOptions& options, int64_t policy_version)
    : impl_(std::make_unique<Impl>(config, options, policy_version)) {
  policy::WeightsInMemory source(std::move(weights));
  impl_->weights.Load(source, impl_->pool);
}

Decoder::~Decoder() = default;

void Decoder::Submit(GroupRequest request) {
  impl_->CheckRequest(request);
  auto group = std::make_unique<Group>();
  for (const uint64_t sample_id : request.sample_ids) {
    group->samples.emplace_back();
    group->samples.back().sample_id = sample_id;
  }
  group->request = std::move(request);
  impl_->scheduler.Submit(std::move(group));
}

std::vector<Completion> Decoder::Step() {
  if (Idle()) return {};
  const auto begin = std::chrono::steady_clock::now();
  try {
    const std::vector<PlannedTokens> plan = impl_->scheduler.Plan();
    int64_t positions = 0;
    for (const PlannedTokens& item : plan) {
      const int64_t start =
          item.sample == nullptr ? item.start : item.group->prompt_length() + item.start;
      positions = std::max(positions, start + item.count);
    }
    impl_->rope.Reserve(positions);
    impl_->runner.Run(plan);
    const auto seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    impl_->CountStep(plan, seconds);
    return impl_->Collect(plan);
  } catch (...) {
    // A step that failed half way (logits not finite) leaves sequences undefined: none of them goes
    // on.
    impl_->scheduler.CancelAll();
    throw;
  }
}

void Decoder::OnToken(TokenListener listener) { impl_->listener = std::move(listener); }

bool Decoder::Idle() const { return impl_->scheduler.idle(); }

void Decoder::Cancel(uint64_t group_id) { impl_->scheduler.Cancel(group_id); }

int32_t Decoder::num_running() const {
  return static_cast<int32_t>(impl_->scheduler.num_running());
}

int32_t Decoder::num_waiting() const {
  return static_cast<int32_t>(impl_->scheduler.num_waiting());
}

void Decoder::SwapWeights(policy::WeightMap weights, int64_t policy_version) {
  if (!Idle())
    Refuse("weights were swapped while samples are running", "wait until the decoder is idle");
  policy::WeightsInMemory source(std::move(weights));
  impl_->weights.Load(source, impl_->pool);
  impl_->policy_version = policy_version;
}

int64_t Decoder::policy_version() const { return impl_->policy_version; }

std::vector<float> Decoder::Score(std::span<const int32_t> ids) {
  if (!Idle())
    Refuse("a text was scored while samples are running", "wait until the decoder is idle");
  if (ids.empty()) Refuse("the text to score is empty");
  impl_->CheckIds(ids);
  const auto length = static_cast<int64_t>(ids.size());
  if (length > impl_->config.max_positions || BlocksFor(length) > impl_->cache.num_blocks()) {
    Refuse("a text of " + std::to_string(length) + " tokens is longer than the context of " +
               std::to_string(impl_->config.max_positions) + " or than the KV cache",
           "shorten it, or raise kv_cache_bytes");
  }
  impl_->rope.Reserve(length);
  BlockTable blocks;
  while (static_cast<int64_t>(blocks.size()) < BlocksFor(length))
    blocks.push_back(impl_->cache.Allocate());
  std::vector<float> logprobs;
  try {
    const int64_t step = impl_->options.tokens_per_step;
    for (int64_t start = 0; start + 1 < length; start += step) {
      const auto at = static_cast<size_t>(start);
      const auto count = static_cast<size_t>(std::min(step, length - 1 - start));
      const std::vector<float> part = impl_->runner.ScoreSegment(
          {ids.subspan(at, count), start, blocks}, ids.subspan(at + 1, count));
      logprobs.insert(logprobs.end(), part.begin(), part.end());
    }
  } catch (...) {
    impl_->cache.ReleaseAll(blocks);
    throw;
  }
  impl_->cache.ReleaseAll(blocks);
  return logprobs;
}

DecoderStats Decoder::stats() const {
  DecoderStats stats = impl_->stats;
  stats.preemptions = impl_->scheduler.preemptions();
  return stats;
}

std::vector<Completion> GenerateAll(Decoder& decoder, std::vector<GroupRequest> requests) {
  // Groups are numbered here, since callers may leave group_id at 0; the callers' ids are put back.
  std::vector<std::vector<Completion>> results;
  std::vector<std::vector<uint64_t>> sample_ids;
  std::vector<std::vector<bool>> filled;
  std::vector<uint64_t> group_ids;
  for (GroupRequest& request : requests) {
    results.emplace_back(request.sample_ids.size());
    filled.emplace_back(request.sample_ids.size(), false);
    sample_ids.push_back(request.sample_ids);
    group_ids.push_back(std::exchange(request.group_id, group_ids.size()));
    decoder.Submit(std::move(request));
  }
  while (!decoder.Idle()) {
    for (Completion& completion : decoder.Step()) {
      const auto group = static_cast<size_t>(completion.group_id);
      size_t slot = 0;
      while (filled[group][slot] || sample_ids[group][slot] != completion.sample_id) ++slot;
      filled[group][slot] = true;
      completion.group_id = group_ids[group];
      results[group][slot] = std::move(completion);
    }
  }
  std::vector<Completion> all;
  for (std::vector<Completion>& group : results) {
    std::move(group.begin(), group.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace cohort::rollout
