#include "reward/service/request_check.h"

#include <cmath>
#include <string>
#include <unordered_set>

#include "base/error.h"

namespace cohort::reward {
namespace {

constexpr int kMaxTerms = 64;
constexpr int kMaxSamples = 65'536;
constexpr size_t kMaxTextBytes = size_t{16} << 20;
constexpr size_t kMaxOptions = 32;
constexpr size_t kMaxOptionBytes = 64 * 1024;
constexpr uint32_t kMaxLimitMs = 3'600'000;

void CheckAtMost(size_t found, size_t bound, const std::string& what) {
  if (found <= bound) return;
  throw Error(ErrorCode::kUsage,
              what + ": " + std::to_string(found) + " is more than " + std::to_string(bound));
}

void CheckTerm(const RewardTerm& term, const std::string& where) {
  if (!std::isfinite(term.weight())) {
    throw Error(ErrorCode::kUsage, where + ".weight is not a finite number");
  }
  CheckAtMost(term.name().size(), 256, where + ".name, bytes");
  CheckAtMost(term.options().size(), kMaxOptions, where + ".options, count");
  for (const auto& [name, value] : term.options()) {
    CheckAtMost(name.size() + value.size(), kMaxOptionBytes, where + ".options, bytes of one");
  }
}

}  // namespace

void CheckRequest(const ScoreRequest& request) {
  if (request.terms().empty()) {
    throw Error(ErrorCode::kUsage, "terms is empty: nothing to score with");
  }
  CheckAtMost(request.terms_size(), kMaxTerms, "terms, count");
  CheckAtMost(request.samples_size(), kMaxSamples, "samples, count");
  CheckAtMost(request.sample_deadline_ms(), kMaxLimitMs, "sample_deadline_ms");
  for (int i = 0; i < request.terms_size(); ++i) {
    CheckTerm(request.terms(i), "terms[" + std::to_string(i) + "]");
  }
  std::unordered_set<uint64_t> ids;
  ids.reserve(request.samples_size());
  for (int i = 0; i < request.samples_size(); ++i) {
    const Sample& sample = request.samples(i);
    for (const std::string* text :
         {&sample.prompt(), &sample.completion(), &sample.answer(), &sample.columns_json()}) {
      if (text->size() > kMaxTextBytes) {
        CheckAtMost(text->size(), kMaxTextBytes,
                    "samples[" + std::to_string(i) + "], bytes of a text");
      }
    }
    if (!ids.insert(sample.sample_id()).second) {
      throw Error(ErrorCode::kUsage, "samples[" + std::to_string(i) + "].sample_id " +
                                         std::to_string(sample.sample_id()) + " occurs twice");
    }
  }
}

}  // namespace cohort::reward
