#include "reward/service/score_call.h"

#include "base/error.h"
#include "base/file_fault.h"

namespace cohort::reward {

ScoreCall* ScoreCall::Refuse(const grpc::Status& status) {
  const auto call = std::make_shared<ScoreCall>();
  call->self_ = call;
  call->finished_ = true;
  call->Finish(status);
  return call.get();
}

ScoreCall* ScoreCall::Start(std::shared_ptr<ScoreBatch> batch, Scorer* scorer) {
  const auto call = std::make_shared<ScoreCall>();
  batch->on_verdict = [call](size_t, Verdict verdict) { call->OnVerdict(std::move(verdict)); };
  batch->on_done = [call] { call->OnBatchDone(); };
  call->batch_ = batch;
  call->self_ = call;
  try {
    scorer->Submit(batch);
  } catch (const std::exception& error) {
    batch->on_verdict = nullptr;  // the batch was not taken: break its hold on the call
    batch->on_done = nullptr;
    call->finished_ = true;
    call->Finish(ToGrpcStatus(error));
  }
  return call.get();
}

void ScoreCall::OnVerdict(Verdict verdict) {
  std::unique_lock lock(mutex_);
  waiting_.push_back(std::move(verdict));
  Advance(std::move(lock));
}

void ScoreCall::OnBatchDone() {
  std::unique_lock lock(mutex_);
  batch_done_ = true;
  Advance(std::move(lock));
}

void ScoreCall::OnWriteDone(bool ok) {
  std::unique_lock lock(mutex_);
  writing_ = false;
  if (!ok) {
    batch_->cancelled = true;
    waiting_.clear();
  }
  Advance(std::move(lock));
}

void ScoreCall::OnCancel() {
  std::unique_lock lock(mutex_);
  if (batch_ != nullptr) batch_->cancelled = true;
}

void ScoreCall::Advance(std::unique_lock<std::mutex> lock) {
  if (writing_ || finished_) return;
  if (batch_->cancelled) waiting_.clear();
  if (!waiting_.empty()) {
    writing_ = true;
    current_ = std::move(waiting_.front());
    waiting_.pop_front();
    grpc::WriteOptions options;
    if (!waiting_.empty()) options.set_buffer_hint();  // more follows at once: fewer packets
    lock.unlock();
    StartWrite(&current_, options);
  } else if (batch_done_) {
    finished_ = true;
    const bool cancelled = batch_->cancelled;
    lock.unlock();
    Finish(cancelled ? grpc::Status(grpc::StatusCode::CANCELLED, "the call was cancelled")
                     : grpc::Status::OK);
  }
}

// The scorer's callbacks may still hold the call; the last holder destroys it.
void ScoreCall::OnDone() { const std::shared_ptr<ScoreCall> self = std::move(self_); }

grpc::Status ToGrpcStatus(const std::exception& error) {
  const auto* known = dynamic_cast<const Error*>(&error);
  if (known == nullptr) return {grpc::StatusCode::INTERNAL, base::MessageOf(error)};
  std::string text = known->what();
  if (!known->hint().empty()) text += " (" + known->hint() + ")";
  switch (known->code()) {
    case ErrorCode::kUsage:
      return {grpc::StatusCode::INVALID_ARGUMENT, text};
    case ErrorCode::kUnavailable:
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, text};
    case ErrorCode::kEnvironment:
      return {grpc::StatusCode::FAILED_PRECONDITION, text};
    default:
      return {grpc::StatusCode::INTERNAL, text};
  }
}

}  // namespace cohort::reward
