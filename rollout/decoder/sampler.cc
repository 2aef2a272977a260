#include "rollout/decoder/sampler.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/counter_random.h"
#include "base/error.h"

namespace cohort::rollout {

namespace {

using kernels::kLogitsAtOnce;

bool MoreLikely(const std::pair<float, int32_t>& a, const std::pair<float, int32_t>& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

}  // namespace

Sampler::Sampler(const kernels::Ops& ops, int64_t vocab_size)
    : ops_(ops),
      vocab_size_(vocab_size),
      chunk_sums_(static_cast<size_t>((vocab_size + kLogitsAtOnce - 1) / kLogitsAtOnce)) {}

void Sampler::Prepare(const float* logits, const Sampling& sampling) {
  logits_ = logits;
  greedy_ = sampling.temperature == 0;
  seed_ = sampling.seed;
  temperature_ = greedy_ ? 1.0f : static_cast<float>(sampling.temperature);
  max_ = ops_.max_scaled(logits, temperature_, vocab_size_);
  if (!std::isfinite(max_)) {
    throw Error(ErrorCode::kDiverged, "the policy's logits are not finite",
                "the weights have diverged: take those of an earlier checkpoint");
  }
  total_ = 0;
  for (size_t chunk = 0; chunk < chunk_sums_.size(); ++chunk) {
    const int64_t begin = static_cast<int64_t>(chunk) * kLogitsAtOnce;
    const int64_t count = std::min(kLogitsAtOnce, vocab_size_ - begin);
    chunk_sums_[chunk] = ops_.exp_scaled(logits + begin, temperature_, max_, count, nullptr);
    total_ += chunk_sums_[chunk];
  }
  log_total_ = std::log(total_);
  kept_.clear();
  const bool top_k = sampling.top_k > 0 && sampling.top_k < vocab_size_;
  if (!greedy_ && (top_k || sampling.top_p < 1.0)) KeepMostLikely(sampling);
}

void Sampler::KeepMostLikely(const Sampling& sampling) {
  const auto all = static_cast<size_t>(vocab_size_);
  std::vector<float> probabilities(all);
  ops_.exp_scaled(logits_, temperature_, max_, vocab_size_, probabilities.data());
  kept_.resize(all);
  for (size_t i = 0; i < all; ++i) kept_[i] = {probabilities[i], static_cast<int32_t>(i)};
  const bool top_k = sampling.top_k > 0 && sampling.top_k < vocab_size_;
  const size_t most = top_k ? static_cast<size_t>(sampling.top_k) : all;
  const auto sort_first = [this](size_t count) {
    if (count < kept_.size()) {
      std::nth_element(kept_.begin(), kept_.begin() + static_cast<ptrdiff_t>(count), kept_.end(),
                       MoreLikely);
    }
    std::sort(kept_.begin(), kept_.begin() + static_cast<ptrdiff_t>(count), MoreLikely);
  };
  double reference = total_;
  if (top_k) {
    sort_first(most);
    kept_.resize(most);
    reference = 0;
    for (const auto& [probability, token] : kept_) reference += probability;
  }
  // The nucleus is mostly small: sort a little, and more only while top_p is not reached.
  for (size_t sorted = std::min<size_t>(64, kept_.size());;
       sorted = std::min(sorted * 8, kept_.size())) {
    if (!top_k) sort_first(sorted);
    kept_total_ = 0;
    for (size_t i = 0; i < sorted; ++i) {
      kept_total_ += kept_[i].first;
      if (kept_total_ >= sampling.top_p * reference && sampling.top_p < 1.0)
        return kept_.resize(i + 1);
    }
    if (sorted == kept_.size()) return;
  }
}

Draw Sampler::Sample(uint64_t sample_id, uint64_t position) const {
  if (greedy_) {
    const int32_t token = MostLikely();
    return {token, Logprob(token)};
  }
  const double uniform = base::UniformDraw(seed_, sample_id, position);
  const int32_t token = kept_.empty() ? DrawFromAll(uniform) : DrawFromKept(uniform);
  return {token, Logprob(token)};
}

int32_t Sampler::DrawFromAll(double uniform) const {
  const double target = uniform * total_;
  double below = 0;
  size_t chunk = 0;
  for (; chunk + 1 < chunk_sums_.size() && below + chunk_sums_[chunk] <= target; ++chunk) {
    below += chunk_sums_[chunk];
  }
  const int64_t begin = static_cast<int64_t>(chunk) * kLogitsAtOnce;
  const int64_t count = std::min(kLogitsAtOnce, vocab_size_ - begin);
  float probabilities[kLogitsAtOnce];
  ops_.exp_scaled(logits_ + begin, temperature_, max_, count, probabilities);
  int64_t last = -1;  // with a probability above 0: rounding may carry the target just past the sum
  for (int64_t i = 0; i < count; ++i) {
    if (probabilities[i] > 0) last = i;
    below += probabilities[i];
    if (below > target && probabilities[i] > 0) break;
  }
  return last >= 0 ? static_cast<int32_t>(begin + last) : MostLikely();
}

int32_t Sampler::DrawFromKept(double uniform) const {
  const double target = uniform * kept_total_;
  double below = 0;
  for (const auto& [probability, token] : kept_) {
    below += probability;
    if (below > target) return token;
  }
  return kept_.front().second;
}

int32_t Sampler::MostLikely() const {
  return static_cast<int32_t>(std::max_element(logits_, logits_ + vocab_size_) - logits_);
}

float Sampler::Logprob(int32_t token) const {
  const float scaled = logits_[token] / temperature_;
  return static_cast<float>(static_cast<double>(scaled) - static_cast<double>(max_) - log_total_);
}

void CheckSampling(const Sampling& sampling) {
  const auto refuse = [](const std::string& message) { throw Error(ErrorCode::kUsage, message); };
  if (!std::isfinite(sampling.temperature) || sampling.temperature < 0) {
    refuse("temperature must be 0 (greedy) or a positive number");
  }
  if (sampling.temperature > 0 && sampling.temperature < kLeastTemperature) {
    refuse("temperature is too small; give 0 (greedy) or at least 0.001");
  }
  if (!(sampling.top_p > 0 && sampling.top_p <= 1)) refuse("top_p must be above 0 and at most 1");
  if (sampling.top_k < 0) refuse("top_k must be 0 (off) or positive");
  if (sampling.max_new_tokens < 1) refuse("max_new_tokens must be at least 1");
}

}  // namespace cohort::rollout
