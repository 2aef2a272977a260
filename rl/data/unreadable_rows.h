#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"

namespace cohort::rl {

// The rows of a file that cannot be read: left out and counted, and refused where they are more
// than a share of the file.
class UnreadableRows {
 public:
  UnreadableRows() = default;
  UnreadableRows(std::string file, double max_share)
      : file_(std::move(file)), max_share_(max_share) {}

  // Counts the row of `error`, whose message begins with its FILE:LINE. Throws what is no kUsage,
  // and everything where no row may be left out.
  void Add(const Error& error);
  // Errors: kUsage where there are more than max_share of them and `readable` together, or there
  // is nothing else.
  void Check(uint64_t readable);

  uint64_t count() const { return count_; }
  nlohmann::json ToJson() const;  // {"file", "count", "rows", "first": ["FILE:LINE: reason"]}
  // "3 of 120 rows of FILE cannot be read: " and why the first of them cannot.
  std::string Describe() const;

 private:
  std::string file_;
  double max_share_ = 0;
  uint64_t count_ = 0, rows_ = 0;
  std::vector<std::string> first_;  // reasons with FILE:LINE
};

}  // namespace cohort::rl
