#include "rollout/decoder/step_runner.h"

#include <algorithm>

namespace cohort::rollout {

namespace {

constexpr int64_t kSharedCacheBytes = int64_t{24} << 20;
constexpr int64_t kLogitFloats = int64_t{8} << 20;  // 32 MiB of logits at a time

Segment SegmentOf(const PlannedTokens& item) {
  const Group& group = *item.group;
  const auto start = static_cast<size_t>(item.start), count = static_cast<size_t>(item.count);
  if (item.sample == nullptr) {
    return {std::span(group.request.prompt_ids).subspan(start, count), item.start,
            group.prompt_blocks};
  }
  return {std::span(item.sample->ids).subspan(start, count), group.prompt_length() + item.start,
          item.sample->blocks};
}

void DrawOne(const Group& group, const Sampler& sampler, Sample& sample) {
  const auto position = static_cast<uint64_t>(group.prompt_length()) + sample.ids.size();
  const Draw draw = sampler.Sample(sample.sample_id, position);
  sample.ids.push_back(draw.token);
  sample.logprobs.push_back(draw.logprob);
}

void DrawTokens(const PlannedTokens& item, const float* logits, Sampler& sampler) {
  sampler.Prepare(logits, item.group->request.sampling);
  if (item.sample != nullptr) return DrawOne(*item.group, sampler, *item.sample);
  for (Sample& sample : item.group->samples) DrawOne(*item.group, sampler, sample);
}

bool WantsDraw(const PlannedTokens& item) {
  if (item.sample != nullptr) return item.count == item.sample->remaining();
  return !item.group->first_tokens_drawn && item.start + item.count == item.group->prompt_length();
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

StepRunner::StepRunner(const ForwardContext& context, kernels::ThreadPool& pool)
    : context_(context), pool_(pool), whole_(MakeLane(&pool)) {
  if (pool.size() == 1 || context.weights.bytes() > kSharedCacheBytes) return;
  for (int i = 0; i < pool.size(); ++i) lanes_.push_back(MakeLane(nullptr));
}

StepRunner::Lane StepRunner::MakeLane(kernels::ThreadPool* pool) {
  Lane lane{.pool = pool, .own_pool = nullptr, .forward = nullptr, .samplers = {}};
  if (pool == nullptr) {
    lane.own_pool = std::make_unique<kernels::ThreadPool>(1);
    lane.pool = lane.own_pool.get();
  }
  lane.forward = std::make_unique<Forward>(context_, *lane.pool);
  for (int i = 0; i < lane.pool->size(); ++i) {
    lane.samplers.emplace_back(context_.ops, context_.config.vocab_size);
  }
  return lane;
}

std::vector<size_t> StepRunner::DivideSequences(const std::vector<PlannedTokens>& plan) const {
  const size_t lanes = lanes_.size();
  if (lanes == 0 || plan.size() < lanes) return {};
  int64_t rows = 0;
  for (const PlannedTokens& item : plan) rows += item.count;
  std::vector<size_t> ends;
  int64_t taken = 0, before = 0, heaviest = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    taken += plan[i].count;
    const auto nth = static_cast<int64_t>(ends.size()) + 1;
    if (taken * static_cast<int64_t>(lanes) < nth * rows && i + 1 < plan.size()) continue;
    ends.push_back(i + 1);
    heaviest = std::max(heaviest, taken - before);
    before = taken;
  }
  const bool even = heaviest * static_cast<int64_t>(lanes) * 4 <= rows * 5 + 4;
  return even && ends.size() <= lanes ? ends : std::vector<size_t>{};
}

void StepRunner::Run(const std::vector<PlannedTokens>& plan) {
  const std::vector<size_t> ends = DivideSequences(plan);
  if (ends.empty()) {
    RunLane(whole_, plan);
  } else {
    pool_.ParallelFor(static_cast<int64_t>(ends.size()), [&](int64_t task, int) {
      const auto lane = static_cast<size_t>(task);
      const size_t begin = lane == 0 ? 0 : ends[lane - 1];
      RunLane(lanes_[lane], std::span(plan).subspan(begin, ends[lane] - begin));
    });
  }
  for (const PlannedTokens& item : plan) Advance(item);
}

void StepRunner::RunLane(Lane& lane, std::span<const PlannedTokens> plan) {
  std::vector<Segment> segments;
  std::vector<int64_t> rows;                  // whose logits are wanted
  std::vector<const PlannedTokens*> drawing;  // for whom
  int64_t row = 0;
  for (const PlannedTokens& item : plan) {
    segments.push_back(SegmentOf(item));
    row += item.count;
    if (!WantsDraw(item)) continue;
    rows.push_back(row - 1);
    drawing.push_back(&item);
  }
  lane.forward->Run(segments);
  const int64_t ld = lane.forward->ld_logits();
  const auto chunk = static_cast<size_t>(std::max<int64_t>(1, kLogitFloats / ld));
  for (size_t begin = 0; begin < rows.size(); begin += chunk) {
    const auto part = std::span(rows).subspan(begin, std::min(chunk, rows.size() - begin));
    const float* logits = lane.forward->Logits(part);
    lane.pool->ParallelFor(static_cast<int64_t>(part.size()), [&](int64_t i, int worker) {
      DrawTokens(*drawing[begin + static_cast<size_t>(i)], logits + i * ld,
                 lane.samplers[static_cast<size_t>(worker)]);
    });
  }
}

std::vector<float> StepRunner::ScoreSegment(const Segment& segment,
                                            std::span<const int32_t> targets) {
  std::vector<float> logprobs(targets.size());
  whole_.forward->Run({&segment, 1});
  const int64_t ld = whole_.forward->ld_logits();
  const int64_t chunk = std::max<int64_t>(1, kLogitFloats / ld);
  for (int64_t begin = 0; begin < static_cast<int64_t>(targets.size()); begin += chunk) {
    std::vector<int64_t> rows;
    const int64_t end = std::min(begin + chunk, static_cast<int64_t>(targets.size()));
    for (int64_t row = begin; row < end; ++row) rows.push_back(row);
    const float* logits = whole_.forward->Logits(rows);
    whole_.pool->ParallelFor(end - begin, [&](int64_t i, int worker) {
      Sampler& sampler = whole_.samplers[static_cast<size_t>(worker)];
      sampler.Prepare(logits + i * ld, Sampling{});
      const auto at = static_cast<size_t>(begin + i);
      logprobs[at] = sampler.Logprob(targets[at]);
    });
  }
  return logprobs;
}

}  // namespace cohort::rollout
