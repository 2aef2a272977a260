#include "rl/data/problem_generator.h"

#include "base/error.h"
#include "rl/data/counter_random.h"
#include "rl/data/word_problems.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

// Random streams of their own for training and held-out problems.
constexpr uint64_t kTrainStream = 2;
constexpr uint64_t kTestSeed = 0x68656C646F7574;  // every run is measured on the same problems
constexpr int kMaxDraws = 10000;

// The sum of six digits: 9^6 = 531,441 problems, too many to learn by heart.
Problem Addition(CounterRandom* random) {
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

uint64_t DrawIndex(uint64_t cursor, int draw) {
  return draw == 0 ? cursor
                   : CounterRandom(cursor, kTrainStream, static_cast<uint64_t>(draw)).Next();
}

}  // namespace

Problem GenerateProblem(proto::Data::Generator generator, uint64_t seed, uint64_t index) {
  CounterRandom random(seed, kTrainStream, index);
  switch (generator) {
    case proto::Data::GENERATOR_ADDITION:
      return Addition(&random);
    case proto::Data::GENERATOR_WORD_PROBLEMS:
      return WordProblem(&random);
  }
  COHORT_CHECK(false, "no problem generator was chosen");
}

ProblemSource::ProblemSource(const proto::Data& data, uint64_t seed, int test_problems,
                             const Keep& keep, RowKind training_rows)
    : data_(data), seed_(seed) {
  const auto filter = [&](std::vector<Problem> problems, size_t limit) {
    std::vector<Problem> kept;
    for (Problem& problem : problems) {
      if (kept.size() == limit) break;
      if (keep && !keep(problem)) {
        ++left_out_;
      } else {
        kept.push_back(std::move(problem));
      }
    }
    return kept;
  };
  if (data.has_generator()) {
    DrawHeldOut(test_problems);
    return;
  }
  train_ = filter(LoadProblems(data, data.train(), training_rows), SIZE_MAX);
  if (train_.empty()) {
    throw Error(ErrorCode::kUsage,
                data.train() + ": all " + std::to_string(left_out_) +
                    " prompts are empty or longer than the model or data.max_prompt_tokens allows");
  }
  if (!data.test().empty() && test_problems > 0) {
    test_ = filter(LoadProblems(data, data.test(), RowKind::kHeldOut),
                   static_cast<size_t>(test_problems));
  }
  stream_.emplace_back(train_.size(), seed);
}

Problem ProblemSource::Generate(uint64_t seed, uint64_t index) const {
  Problem problem = GenerateProblem(data_.generator(), seed, index);
  PoseQuestion(data_, &problem);
  return problem;
}

void ProblemSource::DrawHeldOut(int count) {
  const uint64_t limit = static_cast<uint64_t>(kMaxDraws) + 20 * static_cast<uint64_t>(count);
  for (uint64_t i = 0; test_.size() < static_cast<size_t>(count); ++i) {
    if (i == limit) {
      throw Error(ErrorCode::kUsage,
                  "the generator '" + WordOf(data_.generator()) + "' has fewer than " +
                      std::to_string(count) + " different problems",
                  "lower eval.problems");
    }
    Problem problem = Generate(kTestSeed, i);
    if (held_out_prompts_.insert(problem.prompt).second) test_.push_back(std::move(problem));
  }
}

Problem ProblemSource::Train(uint64_t cursor) {
  if (!stream_.empty()) return train_[stream_.front().At(cursor)];
  for (int draw = 0; draw < kMaxDraws; ++draw) {
    Problem problem = Generate(seed_, DrawIndex(cursor, draw));
    if (!held_out_prompts_.contains(problem.prompt)) return problem;
  }
  throw Error(ErrorCode::kUsage,
              "the held-out problems leave nothing of the generator '" + WordOf(data_.generator()) +
                  "' to train on",
              "lower eval.problems");
}

}  // namespace cohort::rl
