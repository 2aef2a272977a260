#include "rl/evaluation/majority_vote.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace cohort::rl {
namespace {

// Drawing k of n without replacement is taking each with probability k / n, given that k were
// taken: so each answer's votes are binomial, and stay near 1 where factorials would overflow.
class Binomial {
 public:
  Binomial(int64_t n, int64_t k) : p_(static_cast<double>(k) / static_cast<double>(n)) {
    for (int64_t i = 1; i <= n; ++i) {
      log_factorial_.push_back(log_factorial_.back() + std::log(static_cast<double>(i)));
    }
  }

  double Chance(int64_t taken, int64_t of) const {
    if (p_ == 1) return taken == of ? 1 : 0;
    const auto log_factorial = [&](int64_t i) { return log_factorial_[static_cast<size_t>(i)]; };
    return std::exp(log_factorial(of) - log_factorial(taken) - log_factorial(of - taken) +
                    static_cast<double>(taken) * std::log(p_) +
                    static_cast<double>(of - taken) * std::log1p(-p_));
  }

 private:
  double p_;
  std::vector<double> log_factorial_ = {0};
};

// The chance that `others` hold `left` votes together, none of them more than `most`, divided by
// how many answers then share the first place with one that holds `most`.
double ChanceToWin(const std::vector<int64_t>& others, int64_t most, int64_t left,
                   const Binomial& binomial) {
  const auto rows = static_cast<size_t>(left) + 1, ties = static_cast<size_t>(left / most) + 1;
  std::vector<std::vector<double>> chance(rows, std::vector<double>(ties, 0));
  chance[0][0] = 1;  // [votes][answers that tie]
  for (const int64_t votes : others) {
    std::vector<std::vector<double>> next(rows, std::vector<double>(ties, 0));
    for (int64_t taken = 0; taken <= std::min({votes, most, left}); ++taken) {
      const double weight = binomial.Chance(taken, votes);
      const size_t tie = taken == most ? 1 : 0;
      for (size_t row = static_cast<size_t>(taken); row < rows; ++row) {
        const std::vector<double>& from = chance[row - static_cast<size_t>(taken)];
        for (size_t i = tie; i < ties; ++i) next[row][i] += weight * from[i - tie];
      }
    }
    chance = std::move(next);
  }
  double sum = 0;
  for (size_t i = 0; i < ties; ++i) sum += chance.back()[i] / static_cast<double>(i + 1);
  return sum;
}

}  // namespace

int64_t AnswerVotes::total() const { return std::accumulate(others.begin(), others.end(), right); }

double MajAtK(const AnswerVotes& votes, int64_t k) {
  const int64_t n = votes.total();
  COHORT_CHECK(k >= 1 && k <= n, "maj@k needs 1 <= k <= n");
  if (votes.right == 0) return 0;
  if (votes.right == n) return 1;
  const Binomial binomial(n, k);
  double win = 0;
  for (int64_t most = 1; most <= std::min(votes.right, k); ++most) {
    win += binomial.Chance(most, votes.right) * ChanceToWin(votes.others, most, k - most, binomial);
  }
  return std::min(1.0, win / binomial.Chance(k, n));
}

Estimate MeanMajAtK(const std::vector<AnswerVotes>& problems, int64_t k) {
  std::vector<double> values;
  for (const AnswerVotes& votes : problems) {
    if (votes.total() >= k) values.push_back(MajAtK(votes, k));
  }
  COHORT_CHECK(!values.empty(), "no problem has k votes");
  return MeanOverProblems(values);
}

}  // namespace cohort::rl
