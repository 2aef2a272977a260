#include "rl/data/problem_source.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/counter_random.h"
#include "base/error.h"
#include "rl/data/problem_generator.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

constexpr uint32_t kRedrawStream = 3;
constexpr uint64_t kTestSeed = 0x68656C646F7574;  // every run is measured on the same problems
constexpr int kMaxDraws = 10000;

uint64_t DrawIndex(uint64_t cursor, int draw) {
  return draw == 0 ? cursor
                   : base::CounterRandom(cursor, kRedrawStream, static_cast<uint64_t>(draw)).Next();
}

ProblemRows OpenRows(const proto::Data& data, const ProblemSource::Options& options) {
  ProblemRows rows;
  if (data.has_generator()) {
    rows.train = std::make_unique<GeneratedRows>(data, options.seed);
    rows.held_out = std::make_unique<GeneratedRows>(data, kTestSeed);
    rows.name = "the generator '" + WordOf(data.generator()) + "'";
    return rows;
  }
  rows.train = std::make_unique<JsonLinesRows>(data, data.train(), options.training_rows);
  if (!data.test().empty() && options.test_problems > 0) {
    rows.held_out = std::make_unique<JsonLinesRows>(data, data.test(), RowKind::kHeldOut);
  }
  rows.name = data.train();
  return rows;
}

}  // namespace

ProblemSource::ProblemSource(const proto::Data& data, const Options& options)
    : ProblemSource(OpenRows(data, options), options) {}

ProblemSource::ProblemSource(ProblemRows rows, const Options& options)
    : rows_(std::move(rows)), options_(options) {
  if (rows_.train->size() == 0) {
    if (rows_.held_out) DrawHeldOut(*rows_.held_out);
    return;
  }
  train_ = Kept(*rows_.train, SIZE_MAX);
  if (train_.empty()) {
    throw Error(ErrorCode::kUsage,
                rows_.name + ": all " + std::to_string(left_out_) +
                    " prompts are empty or longer than the model or data.max_prompt_tokens allows");
  }
  if (rows_.held_out) test_ = Kept(*rows_.held_out, static_cast<size_t>(options.test_problems));
  order_.emplace(train_.size(), options.seed);
}

std::vector<SharedProblem> ProblemSource::Kept(RowSource& rows, size_t limit) {
  std::vector<SharedProblem> kept;
  UnreadableRows unreadable = rows.unreadable();
  const uint64_t all = rows.size() + unreadable.count();
  for (uint64_t i = 0; i < rows.size() && kept.size() < limit; ++i) {
    SharedProblem encoded = Encode(rows.Row(i), &unreadable);
    if (encoded == nullptr) continue;
    if (options_.keep && !options_.keep(*encoded)) {
      ++left_out_;
    } else {
      kept.push_back(std::move(encoded));
    }
  }
  unreadable.Check(all - unreadable.count());
  if (unreadable.count() > 0) unreadable_.push_back(std::move(unreadable));
  return kept;
}

// nullptr: it is counted as unreadable, such as a chat that the template refuses.
SharedProblem ProblemSource::Encode(Problem problem, UnreadableRows* unreadable) {
  const std::string place = problem.place;
  try {
    return options_.encode(std::move(problem));
  } catch (const Error& error) {
    if (place.empty()) throw;
    unreadable->Add(Error(error.code(), place + ": " + error.what(), error.hint()));
    return nullptr;
  }
}

void ProblemSource::DrawHeldOut(RowSource& rows) {
  const auto count = static_cast<uint64_t>(options_.test_problems);
  const uint64_t limit = static_cast<uint64_t>(kMaxDraws) + 20 * count;
  for (uint64_t i = 0; test_.size() < count; ++i) {
    if (i == limit) {
      throw Error(ErrorCode::kUsage,
                  rows_.name + " has fewer than " + std::to_string(count) + " different problems",
                  "lower eval.problems");
    }
    Problem problem = rows.Row(i);
    if (!held_out_prompts_.insert(problem.prompt).second) continue;
    test_.push_back(options_.encode(std::move(problem)));
  }
}

uint64_t ProblemSource::held_out_in_train() const {
  std::set<std::vector<int32_t>> trained;
  for (const SharedProblem& problem : train_) trained.insert(problem->prompt_ids);
  return static_cast<uint64_t>(std::count_if(
      test_.begin(), test_.end(),
      [&](const SharedProblem& problem) { return trained.contains(problem->prompt_ids); }));
}

SharedProblem ProblemSource::Train(uint64_t cursor) {
  if (order_.has_value()) return train_[order_->At(cursor)];
  for (int draw = 0; draw < kMaxDraws; ++draw) {
    Problem problem = rows_.train->Row(DrawIndex(cursor, draw));
    if (!held_out_prompts_.contains(problem.prompt)) return options_.encode(std::move(problem));
  }
  throw Error(ErrorCode::kUsage,
              "the held-out problems leave nothing of " + rows_.name + " to train on",
              "lower eval.problems");
}

}  // namespace cohort::rl
