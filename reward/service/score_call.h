#pragma once

#include <deque>
#include <memory>
#include <mutex>

#include "reward/reward.grpc.pb.h"
#include "reward/service/scorer.h"

namespace cohort::reward {

// One Score call: verdicts from the scorer's threads go out on the stream as they come. It owns
// itself until gRPC and the scorer are both done with it. Waiting verdicts are bounded by the
// request's number of samples.
class ScoreCall final : public grpc::ServerWriteReactor<Verdict>,
                        public std::enable_shared_from_this<ScoreCall> {
 public:
  // A call that fails at once.
  static ScoreCall* Refuse(const grpc::Status& status);
  // Takes the batch (its callbacks are set here) and submits it.
  static ScoreCall* Start(std::shared_ptr<ScoreBatch> batch, Scorer* scorer);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  void OnVerdict(Verdict verdict);
  void OnBatchDone();
  // Starts the next write or the finish when none is under way. gRPC is called without the lock.
  void Advance(std::unique_lock<std::mutex> lock);

  std::shared_ptr<ScoreCall> self_;
  std::shared_ptr<ScoreBatch> batch_;
  std::mutex mutex_;
  std::deque<Verdict> waiting_;  // guarded
  bool writing_ = false;         // guarded
  bool batch_done_ = false;      // guarded
  bool finished_ = false;        // guarded
  Verdict current_;              // owned by the write under way
};

// The status that tells a client the message and the hint of an error.
grpc::Status ToGrpcStatus(const std::exception& error);

}  // namespace cohort::reward
