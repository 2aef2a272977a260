#include "policy/tokenizer/token_stream.h"

#include <utility>

#include "base/utf8.h"

namespace cohort::policy {

std::string TokenStream::Push(int32_t id) {
  const std::span<const int32_t> ids(&id, 1);
  pending_ += tokenizer_.Decode(ids, skip_special_, /*continues=*/begun_);
  begun_ = begun_ || !tokenizer_.Decode(ids, skip_special_, /*continues=*/true).empty();
  const size_t whole = pending_.size() - base::UnfinishedUtf8Suffix(pending_);
  std::string out = pending_.substr(0, whole);
  pending_.erase(0, whole);
  return out;
}

std::string TokenStream::Finish() { return std::exchange(pending_, ""); }

}  // namespace cohort::policy
