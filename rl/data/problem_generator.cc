#include "rl/data/problem_generator.h"

#include "base/counter_random.h"
#include "base/error.h"
#include "rl/data/word_problems.h"

namespace cohort::rl {
namespace {

constexpr uint32_t kStream = 2;  // apart from the order of epochs

// The sum of six digits: 9^6 = 531,441 problems, too many to learn by heart.
Problem Addition(base::CounterRandom* random) {
  constexpr int kTerms = 6;
  Problem problem;
  int64_t sum = 0;
  for (int i = 0; i < kTerms; ++i) {
    const int64_t digit = random->Uniform(1, 9);
    sum += digit;
    problem.prompt += std::to_string(digit) + (i + 1 < kTerms ? "+" : "=");
  }
  problem.answer = std::to_string(sum);
  problem.completion = problem.answer;
  return problem;
}

}  // namespace

Problem GenerateProblem(proto::Data::Generator generator, uint64_t seed, uint64_t index) {
  base::CounterRandom random(seed, kStream, index);
  switch (generator) {
    case proto::Data::GENERATOR_ADDITION:
      return Addition(&random);
    case proto::Data::GENERATOR_WORD_PROBLEMS:
      return WordProblem(&random);
  }
  COHORT_CHECK(false, "no problem generator was chosen");
}

GeneratedRows::GeneratedRows(const proto::Data& data, uint64_t seed) : data_(data), seed_(seed) {}

Problem GeneratedRows::Row(uint64_t index) {
  Problem problem = GenerateProblem(data_.generator(), seed_, index);
  PoseQuestion(data_, &problem);
  return problem;
}

}  // namespace cohort::rl
