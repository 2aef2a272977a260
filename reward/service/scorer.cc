#include "reward/service/scorer.h"

#include <algorithm>
#include <latch>
#include <utility>

#include "base/error.h"

namespace cohort::reward {
namespace {

constexpr size_t kMaxSlice = 16;  // samples a worker takes at once

// The callbacks go before the last call returns, so that what they hold may own the batch.
void Finish(ScoreBatch* batch) {
  const auto on_verdict = std::exchange(batch->on_verdict, nullptr);
  const auto on_done = std::exchange(batch->on_done, nullptr);
  on_done();
}

}  // namespace

Scorer::Scorer(const ScorerLimits& limits) : limits_(limits) {
  COHORT_CHECK(limits.workers > 0, "a scorer needs a worker");
  for (int i = 0; i < limits.workers; ++i) workers_.emplace_back([this] { Work(); });
}

Scorer::~Scorer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& batch : active_) batch->cancelled = true;
  }
  changed_.notify_all();
  workers_.clear();
}

void Scorer::Submit(const std::shared_ptr<ScoreBatch>& batch) {
  if (batch->samples.empty()) return Finish(batch.get());
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) throw Error(ErrorCode::kUnavailable, "the scorer is stopping");
    if (queued_samples_ + batch->samples.size() > limits_.max_queued_samples) {
      throw Error(ErrorCode::kUnavailable,
                  "the queue is full: " + std::to_string(queued_samples_) + " samples wait",
                  "send fewer samples at a time, or start more reward services");
    }
    // An idle scorer's silence is no lack of progress.
    if (queued_samples_ + running_samples_ == 0) last_progress_ = std::chrono::steady_clock::now();
    batch->left = batch->samples.size();
    queued_samples_ += batch->samples.size();
    queue_.push_back(batch);
    active_.push_back(batch);
  }
  changed_.notify_all();
}

std::vector<Verdict> Scorer::ScoreAll(std::shared_ptr<const Terms> terms,
                                      std::vector<const Sample*> samples,
                                      std::chrono::milliseconds term_limit) {
  std::vector<Verdict> verdicts(samples.size());
  // Shared: on_done may still be inside count_down when the wait below returns.
  const auto done = std::make_shared<std::latch>(1);
  const auto batch = std::make_shared<ScoreBatch>();
  batch->terms = std::move(terms);
  batch->samples = std::move(samples);
  batch->term_limit = term_limit;
  batch->on_verdict = [&](size_t i, Verdict verdict) { verdicts[i] = std::move(verdict); };
  batch->on_done = [done] { done->count_down(); };
  Submit(batch);
  done->wait();
  return verdicts;
}

void Scorer::Work() {
  while (true) {
    const Slice slice = NextSlice();
    if (slice.batch == nullptr) return;
    ScoreSlice(slice);
  }
}

// Queued batches are handed out even while stopping: they are cancelled and their on_done must
// come.
Scorer::Slice Scorer::NextSlice() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
  if (queue_.empty()) return {};
  std::shared_ptr<ScoreBatch> batch = std::move(queue_.front());
  queue_.pop_front();
  const size_t waiting = batch->samples.size() - batch->next;
  const size_t fair = waiting / (4 * static_cast<size_t>(limits_.workers) + 1);
  const size_t count =
      batch->cancelled ? waiting : std::min(waiting, std::clamp<size_t>(fair, 1, kMaxSlice));
  const Slice slice = {batch, batch->next, batch->next + count};
  batch->next += count;
  queued_samples_ -= count;
  running_samples_ += count;
  if (count < waiting) queue_.push_back(std::move(batch));
  return slice;
}

void Scorer::NoteVerdict(const Verdict& verdict) {
  ++samples_scored_;
  const bool judged = verdict.status() == STATUS_OK || verdict.status() == STATUS_NOT_APPLICABLE;
  if (!judged) ++samples_failed_;
  last_progress_ = std::chrono::steady_clock::now();
}

ScorerProgress Scorer::progress() {
  ScorerProgress progress;
  progress.scored = samples_scored_;
  progress.failed = samples_failed_;
  const std::lock_guard lock(mutex_);
  progress.waiting = queued_samples_;
  progress.running = running_samples_;
  if (progress.waiting + progress.running > 0) {
    const auto silence = std::chrono::steady_clock::now() - last_progress_.load();
    progress.since_verdict = std::chrono::duration_cast<std::chrono::milliseconds>(silence);
  }
  return progress;
}

void Scorer::ScoreSlice(const Slice& slice) {
  ScoreBatch& batch = *slice.batch;
  const std::span<const Sample* const> samples(batch.samples.data() + slice.begin,
                                               slice.end - slice.begin);
  if (!batch.cancelled) {
    ScoreSamples(*batch.terms, samples, batch.term_limit, &batch.cancelled,
                 [&](size_t i, Verdict verdict) {
                   if (batch.cancelled) return;
                   NoteVerdict(verdict);
                   batch.on_verdict(slice.begin + i, std::move(verdict));
                 });
  }
  const size_t count = slice.end - slice.begin;
  const bool last = batch.left.fetch_sub(count) == count;
  {
    const std::lock_guard lock(mutex_);
    running_samples_ -= count;
    if (last) std::erase(active_, slice.batch);
  }
  if (!last) return;
  Finish(&batch);
}

}  // namespace cohort::reward
