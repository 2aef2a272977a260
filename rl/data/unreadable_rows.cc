#include "rl/data/unreadable_rows.h"

#include <cstdio>

namespace cohort::rl {
namespace {

constexpr size_t kTold = 3;

}  // namespace

void UnreadableRows::Add(const Error& error) {
  if (error.code() != ErrorCode::kUsage || max_share_ <= 0) throw error;
  ++count_;
  if (first_.size() < kTold) first_.push_back(error.what());
}

void UnreadableRows::Check(uint64_t readable) {
  rows_ = readable + count_;
  if (count_ == 0) return;
  const bool few = static_cast<double>(count_) <= max_share_ * static_cast<double>(rows_);
  if (few && readable > 0) return;
  if (few) throw Error(ErrorCode::kUsage, Describe());
  char share[32];
  std::snprintf(share, sizeof(share), "%g", max_share_);
  throw Error(ErrorCode::kUsage,
              Describe() + "\nthese are more than data.max_unreadable_share (" + share + ")",
              "mend the rows, or raise data.max_unreadable_share");
}

nlohmann::json UnreadableRows::ToJson() const {
  return {{"file", file_}, {"count", count_}, {"rows", rows_}, {"first", first_}};
}

std::string UnreadableRows::Describe() const {
  std::string text = std::to_string(count_) + " of " + std::to_string(rows_) + " rows of " + file_ +
                     " cannot be read:";
  for (const std::string& reason : first_) text += "\n  " + reason;
  if (count_ > first_.size()) text += "\n  ...";
  return text;
}

}  // namespace cohort::rl
