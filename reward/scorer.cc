#include "reward/scorer.h"

#include <algorithm>
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

Scorer::Scorer(const Limits& limits) : limits_(limits) {
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
    batch->left = batch->samples.size();
    queued_samples_ += batch->samples.size();
    queue_.push_back(batch);
    active_.push_back(batch);
  }
  changed_.notify_all();
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
  if (count < waiting) queue_.push_back(std::move(batch));
  return slice;
}

void Scorer::ScoreSlice(const Slice& slice) {
  ScoreBatch& batch = *slice.batch;
  for (size_t i = slice.begin; i < slice.end && !batch.cancelled; ++i) {
    Verdict verdict =
        ScoreSample(*batch.terms, *batch.samples[i], batch.term_limit, &batch.cancelled);
    if (batch.cancelled) break;
    ++samples_scored_;
    batch.on_verdict(i, std::move(verdict));
  }
  const size_t count = slice.end - slice.begin;
  if (batch.left.fetch_sub(count) != count) return;
  {
    const std::lock_guard lock(mutex_);
    std::erase(active_, slice.batch);
  }
  Finish(&batch);
}

}  // namespace cohort::reward
