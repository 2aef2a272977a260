#include "rollout/decoder/decoder.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/seconds_since.h"
#include "kernels/cpu/ops.h"
#include "rollout/decoder/sampler.h"
#include "rollout/decoder/scheduler.h"

namespace cohort::rollout {

namespace {

[[noreturn]] void Refuse(const std::string& message, const std::string& hint = "") {
  throw Error(ErrorCode::kUsage, message, hint);
}

const DecoderOptions& Checked(const DecoderOptions& options) {
  CheckOptions(options);
  return options;
}

// Logits are wanted of the last token of a sequence whose next token is to be drawn.
bool WantsDraw(const PlannedTokens& item) {
  if (item.sample != nullptr) return item.count == item.sample->remaining();
  return !item.group->first_tokens_drawn && item.start + item.count == item.group->prompt_length();
}

// Room for the routing of the item's tokens; those of its sequence before them have theirs.
uint8_t* RoutingOf(const PlannedTokens& item, int64_t token_bytes) {
  if (!item.group->request.sampling.record_routing || token_bytes == 0) return nullptr;
  if (item.sample == nullptr && item.group->prompt_routing_given) return nullptr;
  std::string& routing = item.sample == nullptr ? item.group->prompt_routing : item.sample->routing;
  const auto first = static_cast<size_t>(item.start * token_bytes);
  const size_t end = first + static_cast<size_t>(item.count * token_bytes);
  if (routing.size() < end) routing.resize(end);
  return reinterpret_cast<uint8_t*>(routing.data()) + first;
}

SequenceRows RowsOf(const PlannedTokens& item, const RunnerShape& shape) {
  const int64_t rope_boundary = shape.rope_boundary;
  const SequenceGroup& group = *item.group;
  const int64_t prompt = group.prompt_length();
  const bool in_prompt = item.sample == nullptr || item.start < 0;
  SequenceRows rows;
  rows.start = item.sample == nullptr ? item.start : prompt + item.start;
  rows.tokens = std::span(in_prompt ? group.request.prompt_ids : item.sample->ids)
                    .subspan(static_cast<size_t>(in_prompt ? rows.start : item.start),
                             static_cast<size_t>(item.count));
  rows.tables = item.sample == nullptr ? group.prompt_blocks : item.sample->blocks;
  rows.state = item.sample == nullptr ? group.prompt_recurrent : item.sample->recurrent;
  rows.num_logits = WantsDraw(item) ? 1 : 0;
  const int64_t length = prompt + (item.sample == nullptr ? 0 : std::ssize(item.sample->ids));
  rows.beyond_boundary = rope_boundary > 0 && length > rope_boundary;
  rows.routing = RoutingOf(item, shape.routing_bytes);
  return rows;
}

void DrawOne(const SequenceGroup& group, const Sampler& sampler, Sequence* sample) {
  const auto position = static_cast<uint64_t>(group.prompt_length()) + sample->ids.size();
  const Draw draw = sampler.Sample(sample->sample_id, position);
  sample->ids.push_back(draw.token);
  sample->logprobs.push_back(draw.logprob);
}

// A prompt that is complete for the first time gives every sample of its group its first token.
void DrawTokens(const PlannedTokens& item, const float* logits, Sampler* sampler) {
  sampler->Prepare(logits, item.group->request.sampling);
  if (item.sample != nullptr) return DrawOne(*item.group, *sampler, item.sample);
  for (Sequence& sample : item.group->samples) DrawOne(*item.group, *sampler, &sample);
}

bool EndsWithStop(const Sampling& sampling, const std::vector<int32_t>& ids) {
  const std::vector<int32_t>& stops = sampling.stop_ids;
  return std::find(stops.begin(), stops.end(), ids.back()) != stops.end();
}

void Advance(const PlannedTokens& item) {
  if (item.sample != nullptr) {
    item.sample->computed += item.count;
    return;
  }
  item.group->prompt_computed += item.count;
  if (item.group->prompt_ready()) item.group->first_tokens_drawn = true;
}

}  // namespace

struct Decoder::Impl {
  Impl(std::unique_ptr<ModelRunner> model_runner, const DecoderOptions& wanted, int64_t version)
      : options(Checked(wanted)),
        policy_version(version),
        runner(std::move(model_runner)),
        shape(runner->shape()),
        pool(shape.num_blocks, shape.block_tokens, shape.windows),
        scheduler({options.max_running, options.tokens_per_step, shape.rope_boundary}, pool,
                  shape.num_states),
        samplers(static_cast<size_t>(shape.num_workers),
                 Sampler(kernels::BestOps(), shape.vocab_size)) {}

  void CheckRequest(const GroupRequest& request) const;
  void CheckIds(std::span<const int32_t> ids) const;
  bool Finished(const SequenceGroup& group, const Sequence& sample) const;
  void Compute(const std::vector<PlannedTokens>& plan);
  std::vector<SampledCompletion> Collect(const std::vector<PlannedTokens>& plan);
  void CountStep(const std::vector<PlannedTokens>& plan, double seconds);
  std::vector<float> Score(std::span<const int32_t> ids, BlockTables* tables);

  DecoderOptions options;
  int64_t policy_version;
  std::unique_ptr<ModelRunner> runner;
  RunnerShape shape;
  BlockPool pool;
  Scheduler scheduler;
  std::vector<Sampler> samplers;  // one for each worker of the runner
  DecoderStats stats;
  TokenListener listener;
};

void Decoder::Impl::CheckIds(std::span<const int32_t> ids) const {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < shape.vocab_size) continue;
    Refuse("token " + std::to_string(i) + " has id " + std::to_string(ids[i]) +
           ", outside the vocabulary of " + std::to_string(shape.vocab_size));
  }
}

void Decoder::Impl::CheckRequest(const GroupRequest& request) const {
  const auto length = static_cast<int64_t>(request.prompt_ids.size());
  if (length == 0) Refuse("the prompt is empty");
  if (request.sample_ids.empty()) Refuse("the group asks for no sample");
  CheckSampling(request.sampling);
  CheckIds(request.prompt_ids);
  if (length >= shape.max_positions) {
    Refuse("the prompt has " + std::to_string(length) +
           " tokens, which leaves no room for a completion in the context of " +
           std::to_string(shape.max_positions));
  }
  const int64_t longest =
      std::min<int64_t>(length + request.sampling.max_new_tokens, shape.max_positions);
  if (request.sampling.record_routing && shape.routing_bytes == 0) {
    Refuse("routing was asked for, and the model has no mixture of experts");
  }
  if (request.sampling.record_routing && shape.rope_boundary > 0) {
    Refuse("routing is not recorded of a model whose longer sequences have another rope");
  }
  if (!scheduler.FitsAlone(longest)) {
    Refuse("a sequence of " + std::to_string(longest) + " tokens does not fit in the KV cache of " +
               std::to_string(pool.num_blocks()) + " blocks of " +
               std::to_string(pool.block_tokens()) + ": it needs " +
               std::to_string(pool.LeastRoom(longest)),
           "raise rollout.kv_cache_mb or lower rollout.max_new_tokens");
  }
}

bool Decoder::Impl::Finished(const SequenceGroup& group, const Sequence& sample) const {
  const Sampling& sampling = group.request.sampling;
  const auto length = static_cast<int64_t>(sample.ids.size());
  return EndsWithStop(sampling, sample.ids) || length >= sampling.max_new_tokens ||
         group.prompt_length() + length >= shape.max_positions;
}

void Decoder::Impl::Compute(const std::vector<PlannedTokens>& plan) {
  const std::vector<BlockCopy> copies = pool.TakeCopies();
  const std::vector<BlockCopy> state_copies = scheduler.TakeStateCopies();
  std::vector<SequenceRows> sequences;
  for (const PlannedTokens& item : plan) sequences.push_back(RowsOf(item, shape));
  runner->Step({copies, sequences, state_copies}, [&](const LogitsRow& row) {
    DrawTokens(plan[row.sequence], row.logits, &samplers[static_cast<size_t>(row.worker)]);
  });
  for (const PlannedTokens& item : plan) Advance(item);
}

std::vector<SampledCompletion> Decoder::Impl::Collect(const std::vector<PlannedTokens>& plan) {
  std::vector<SampledCompletion> completions;
  const auto collect = [&](SequenceGroup& group, Sequence& sample) {
    if (sample.state == SequenceState::kFinished || sample.ids.empty()) return;
    while (listener && sample.told < sample.ids.size()) {
      listener(group.request.group_id, sample.sample_id, sample.ids[sample.told++]);
    }
    if (!Finished(group, sample)) return;
    const bool stopped = EndsWithStop(group.request.sampling, sample.ids);
    completions.push_back({.group_id = group.request.group_id,
                           .sample_id = sample.sample_id,
                           .ids = std::move(sample.ids),
                           .rollout_logprobs = std::move(sample.logprobs),
                           .finish_reason = stopped ? FinishReason::kStop : FinishReason::kLength,
                           .policy_version = policy_version,
                           .routing = std::move(sample.routing),
                           .prompt_routing = std::exchange(group.prompt_routing, {})});
    group.prompt_routing_given = true;
    scheduler.Finish(sample);
  };
  for (const PlannedTokens& item : plan) {
    if (item.sample != nullptr) {
      collect(*item.group, *item.sample);
    } else {
      for (Sequence& sample : item.group->samples) collect(*item.group, sample);
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

std::vector<float> Decoder::Impl::Score(std::span<const int32_t> ids, BlockTables* tables) {
  const int64_t targets = std::ssize(ids) - 1;
  std::vector<float> logprobs(static_cast<size_t>(targets));
  // Nothing else runs: any slot is free.
  const int32_t state = shape.num_states > 0 ? 0 : kNoState;
  int64_t count = 0;
  for (int64_t start = 0; start < targets; start += count) {
    const int64_t end = std::min(targets, start + options.tokens_per_step);
    pool.DropUnseen(tables, start);
    while (pool.Covered(*tables) < end && pool.Extend(tables)) {
    }
    count = std::min(end, pool.Covered(*tables)) - start;
    COHORT_CHECK(count > 0, "a text that fits in the KV cache found no room");
    const auto first = static_cast<size_t>(start);
    const bool beyond = shape.rope_boundary > 0 && std::ssize(ids) > shape.rope_boundary;
    const SequenceRows rows{
        ids.subspan(first, static_cast<size_t>(count)), start, *tables, count, beyond, state};
    runner->Step({{}, {&rows, 1}}, [&](const LogitsRow& row) {
      Sampler& sampler = samplers[static_cast<size_t>(row.worker)];
      sampler.Prepare(row.logits, Sampling{});
      logprobs[first + row.token] = sampler.Logprob(ids[first + row.token + 1]);
    });
  }
  return logprobs;
}

void CheckOptions(const DecoderOptions& options) {
  if (options.num_threads < 0) Refuse("num_threads must be 0 (all cores) or positive");
  if (options.max_running < 1) Refuse("max_running must be at least 1");
  if (options.tokens_per_step < 1) Refuse("tokens_per_step must be at least 1");
}

Decoder::Decoder(std::unique_ptr<ModelRunner> runner, const DecoderOptions& options,
                 int64_t policy_version)
    : impl_(std::make_unique<Impl>(std::move(runner), options, policy_version)) {}

Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&& other) noexcept = default;

void Decoder::Submit(GroupRequest request) {
  impl_->CheckRequest(request);
  auto group = std::make_unique<SequenceGroup>();
  for (const uint64_t sample_id : request.sample_ids) {
    group->samples.emplace_back();
    group->samples.back().sample_id = sample_id;
  }
  group->request = std::move(request);
  impl_->scheduler.Submit(std::move(group));
}

std::vector<SampledCompletion> Decoder::Step() {
  if (Idle()) return {};
  const auto begin = std::chrono::steady_clock::now();
  try {
    const std::vector<PlannedTokens> plan = impl_->scheduler.Plan();
    impl_->Compute(plan);
    const auto seconds = base::SecondsSince(begin);
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
  policy::WeightsInMemory source(std::move(weights));
  SwapWeights(source, policy_version);
}

void Decoder::SwapWeights(policy::WeightSource& weights, int64_t policy_version) {
  if (!Idle())
    Refuse("weights were swapped while samples are running", "wait until the decoder is idle");
  impl_->runner->LoadWeights(weights);
  impl_->policy_version = policy_version;
}

int64_t Decoder::policy_version() const { return impl_->policy_version; }

void CheckContext(int64_t length, int64_t max_positions) {
  if (length <= max_positions) return;
  Refuse("a text of " + std::to_string(length) + " tokens is longer than the model's context of " +
             std::to_string(max_positions),
         "shorten it; the context is config.json's max_position_embeddings, or index_topk or "
         "chunk_size where attention is sparse beyond");
}

std::vector<float> Decoder::Score(std::span<const int32_t> ids) {
  if (!Idle())
    Refuse("a text was scored while samples are running", "wait until the decoder is idle");
  if (ids.empty()) Refuse("the text to score is empty");
  impl_->CheckIds(ids);
  const auto length = static_cast<int64_t>(ids.size());
  BlockPool& pool = impl_->pool;
  CheckContext(length, impl_->shape.max_positions);
  if (const int64_t needed = pool.Missing({}, length, 1); needed > pool.num_blocks()) {
    Refuse("a text of " + std::to_string(length) + " tokens does not fit in the KV cache of " +
               std::to_string(pool.num_blocks()) + " blocks of " +
               std::to_string(pool.block_tokens()) + ": it needs " + std::to_string(needed),
           "shorten it, or raise rollout.kv_cache_mb");
  }
  BlockTables tables;
  try {
    std::vector<float> logprobs = impl_->Score(ids, &tables);
    pool.Release(&tables);
    return logprobs;
  } catch (...) {
    pool.Release(&tables);
    throw;
  }
}

DecoderStats Decoder::stats() const {
  DecoderStats stats = impl_->stats;
  stats.preemptions = impl_->scheduler.preemptions();
  return stats;
}

std::vector<SampledCompletion> GenerateAll(Decoder& decoder, std::vector<GroupRequest> requests) {
  // Groups are numbered here, since callers may leave group_id at 0; the callers' ids are put back.
  std::vector<std::vector<SampledCompletion>> results;
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
    for (SampledCompletion& completion : decoder.Step()) {
      const auto group = static_cast<size_t>(completion.group_id);
      size_t slot = 0;
      while (filled[group][slot] || sample_ids[group][slot] != completion.sample_id) ++slot;
      filled[group][slot] = true;
      completion.group_id = group_ids[group];
      results[group][slot] = std::move(completion);
    }
  }
  std::vector<SampledCompletion> all;
  for (std::vector<SampledCompletion>& group : results) {
    std::move(group.begin(), group.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace cohort::rollout
