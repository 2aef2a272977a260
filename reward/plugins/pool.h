#pragma once

// The processes of one plug-in reward: started when needed, kept while they are sound.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "reward/plugins/worker.h"

namespace cohort::reward {

// Thread-safe.
class PluginPool {
 public:
  using Start = std::function<std::unique_ptr<PluginWorker>()>;  // may throw Error

  // Starts the first process, so that a plug-in that does not load is refused here.
  // `max_processes` 0: one for each thread that scores. Whatever is killed from outside is started
  // again, a few times and with pauses. Errors: what `start` throws; kEnvironment when each was
  // killed.
  PluginPool(int max_processes, Start start);

  bool takes_batches() const { return takes_batches_; }

  // Waits for a free process, then gives it the budget's whole limit: neither waiting nor starting
  // a process costs the samples their time. Samples whose process was killed from outside are
  // judged again by a fresh one, three times at most. Errors: as the constructor's.
  std::vector<Grade> Score(std::span<const Sample* const> samples, const Budget& budget);

 private:
  struct Acquired {
    std::unique_ptr<PluginWorker> worker;  // null: the call was cancelled
    bool fresh = false;                    // has judged nothing yet
  };

  std::unique_ptr<PluginWorker> StartPatiently(const Budget* budget) const;
  Acquired Acquire(const Budget& budget);
  void Release(std::unique_ptr<PluginWorker> worker);  // null: it is no more

  const int max_processes_;
  const Start start_;
  bool takes_batches_ = false;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<PluginWorker>> idle_;  // guarded
  int processes_ = 0;                                // guarded; idle and busy
};

}  // namespace cohort::reward
