#pragma once

// A pool of threads that scores batches of samples, in turns, so that a slow batch does not hold up
// the others.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "reward/service/combine.h"

namespace cohort::reward {

// Samples to score. The owner keeps `samples` alive until on_done was called. The callbacks come
// from the scorer's threads: on_verdict from several at once, on_done once, after the last verdict.
struct ScoreBatch {
  std::shared_ptr<const Terms> terms;
  std::vector<const Sample*> samples;
  std::chrono::milliseconds term_limit;  // per sample and term
  std::function<void(size_t index, Verdict verdict)> on_verdict;
  std::function<void()> on_done;
  std::atomic<bool> cancelled = false;  // set it to skip what is left; on_done still comes

 private:
  friend class Scorer;
  size_t next = 0;              // guarded by Scorer::mutex_
  std::atomic<size_t> left{0};  // samples that are neither scored nor skipped
};

struct ScorerLimits {
  int workers = 1;
  size_t max_queued_samples = size_t{1} << 20;
};

struct ScorerProgress {
  uint64_t scored = 0;
  uint64_t failed = 0;   // of these: neither OK nor NOT_APPLICABLE
  uint64_t waiting = 0;  // not yet taken by a worker
  uint64_t running = 0;
  std::chrono::milliseconds since_verdict{0};  // or since the work came; 0 when idle
};

// Thread-safe.
class Scorer {
 public:
  explicit Scorer(const ScorerLimits& limits);
  ~Scorer();  // cancels what is queued and running, then joins

  // Errors: kUnavailable when the queue is full or the scorer is stopping. An empty batch is done
  // at once.
  void Submit(const std::shared_ptr<ScoreBatch>& batch);

  // Submits the samples and waits for all of their verdicts, in the samples' order.
  std::vector<Verdict> ScoreAll(std::shared_ptr<const Terms> terms,
                                std::vector<const Sample*> samples,
                                std::chrono::milliseconds term_limit);

  ScorerProgress progress();

 private:
  struct Slice {
    std::shared_ptr<ScoreBatch> batch;
    size_t begin;
    size_t end;
  };

  void Work();
  Slice NextSlice();  // empty batch: stopping
  void ScoreSlice(const Slice& slice);
  void NoteVerdict(const Verdict& verdict);

  const ScorerLimits limits_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<ScoreBatch>>
      queue_;  // guarded; batches with samples not yet handed out
  std::vector<std::shared_ptr<ScoreBatch>> active_;  // guarded; batches that are not done
  size_t queued_samples_ = 0;                        // guarded
  size_t running_samples_ = 0;                       // guarded; of slices that are not done
  bool stopping_ = false;                            // guarded
  std::atomic<uint64_t> samples_scored_{0};
  std::atomic<uint64_t> samples_failed_{0};
  std::atomic<std::chrono::steady_clock::time_point> last_progress_{};
  std::vector<std::jthread> workers_;
};

}  // namespace cohort::reward
