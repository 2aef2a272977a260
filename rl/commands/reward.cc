// cohort reward try: a reward on one typed answer, on the samples that a run kept, or on rows as a
// run poses them.

#include <cstdio>
#include <thread>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "base/nearest_name.h"
#include "base/printable_text.h"
#include "base/temporary_folder.h"
#include "reward/code/box/sandbox.h"
#include "reward/registry.h"
#include "reward/service/scorer.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"
#include "rl/commands/grade_sample.h"
#include "rl/recipe/recipe.h"
#include "rl/run/initial_policy.h"
#include "rl/run/reward_trial.h"
#include "rl/run/train_recipe.h"

namespace cohort::rl {
namespace {

using base::Json;
using base::OrderedJson;

struct TrySettings {
  std::string recipe, reward, prompt, answer, input, data, completion_column;
  std::optional<std::string> completion;
  std::vector<std::string> options, columns, overrides;
  std::optional<int> rows;
  int workers = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  int limit_ms = 10'000;
  bool json = false;
};

// A sample to score, the id that the output gives it, and the score that it had in its run.
struct TriedSample {
  Json id;
  reward::Sample sample;
  Json recorded;           // the reward that the run recorded; null: none
  std::string posed = {};  // the completion and the row that it answers, of a row
};

// Rows of the recipe's data, in place of samples.
bool PosesRows(const TrySettings& settings) {
  const bool typed = settings.completion && settings.data.empty() && !settings.rows;
  return !settings.recipe.empty() && settings.input.empty() && !typed;
}

std::shared_ptr<const reward::Terms> MakeTerms(const TrySettings& settings) {
  auto terms = std::make_shared<reward::Terms>();
  if (settings.recipe.empty()) {
    terms->push_back(
        {settings.reward, 1,
         reward::MakeGrader(settings.reward, SplitAssignments("--option", settings.options))});
    return terms;
  }
  const proto::Recipe recipe = LoadRecipe(settings.recipe, settings.overrides);
  if (recipe.rollout().allow_weak_sandbox()) reward::judge::Sandbox::AllowWeak(true);
  for (const reward::RewardTerm& term : recipe.rewards()) {
    terms->push_back(
        {term.name(), term.weight(),
         reward::MakeGrader(term.name(), {term.options().begin(), term.options().end()})});
  }
  if (terms->empty()) throw Error(ErrorCode::kUsage, settings.recipe + " has no rewards");
  reward::NumberRepeatedNames(terms.get());
  return terms;
}

// A list or an object where it reads as one, else the text itself: k=2 is what a CSV file says too.
Json ValueOf(const std::string& text) {
  Json value = Json::parse(text, nullptr, false);
  return value.is_structured() ? value : Json(text);
}

// A line of a run's samples.jsonl, or any object with a completion ("pred" will do).
TriedSample ToRow(const Json& json, size_t number) {
  TriedSample row;
  row.sample = RecordToSample(json);
  row.id = json.contains("id") ? json["id"] : json.value("sample_id", Json(number));
  row.recorded = json.value("reward", Json());
  return row;
}

std::vector<TriedSample> ReadRows(const TrySettings& settings) {
  std::vector<TriedSample> rows;
  if (settings.input.empty()) {
    Json columns = Json::object();
    for (const auto& [name, value] : SplitAssignments("--column", settings.columns)) {
      columns[name] = ValueOf(value);
    }
    rows.push_back(ToRow({{"prompt", settings.prompt},
                          {"completion", settings.completion.value_or("")},
                          {"answer", settings.answer},
                          {"columns", columns}},
                         1));
  } else {
    base::ForEachJsonLine(settings.input, [&](const Json& json, int) {
      rows.push_back(ToRow(json, rows.size() + 1));
    });
  }
  for (size_t i = 0; i < rows.size(); ++i) rows[i].sample.set_sample_id(i + 1);
  return rows;
}

std::vector<reward::Verdict> ScoreRows(const TrySettings& settings,
                                       const std::vector<TriedSample>& rows) {
  reward::Scorer scorer({.workers = settings.workers});
  std::vector<const reward::Sample*> samples;
  for (const TriedSample& row : rows) samples.push_back(&row.sample);
  return scorer.ScoreAll(MakeTerms(settings), std::move(samples),
                         std::chrono::milliseconds(settings.limit_ms));
}

// The first rows of the file, or of the generator.
std::vector<SharedProblem> FirstRows(ProblemSource& problems, size_t count) {
  std::vector<SharedProblem> rows = problems.train();
  if (rows.size() > count) rows.resize(count);
  for (uint64_t i = 0; problems.train_size() == 0 && i < count; ++i) {
    rows.push_back(problems.Train(i));
  }
  return rows;
}

std::string ColumnText(const proto::Data& data, const Problem& problem, const std::string& column) {
  if (column == data.completion_field()) return problem.completion;
  if (column == data.answer_field()) return problem.answer;
  if (problem.columns.contains(column)) return TextOf(problem.columns[column]);
  std::vector<std::string> names = {data.completion_field(), data.answer_field()};
  for (const auto& [name, value] : problem.columns.items()) names.push_back(name);
  throw Error(ErrorCode::kUsage,
              problem.place + ": no column '" + column + "'" + base::DidYouMean(column, names));
}

StandIn CompletionOf(const TrySettings& settings, const proto::Data& data, const Problem& problem) {
  if (settings.completion) return {*settings.completion, "--completion"};
  if (settings.completion_column.empty()) return StandIns(problem).front();
  return {ColumnText(data, problem, settings.completion_column),
          "the row's column '" + settings.completion_column + "'"};
}
// The fields of a verdict or of a component; no score where there is none.
template <class Scored>
OrderedJson ToJson(const Scored& scored) {
  OrderedJson json;
  const bool ok = scored.status() == reward::STATUS_OK;
  json["score"] = ok ? OrderedJson(scored.score()) : OrderedJson();
  json["status"] = reward::StatusName(scored.status());
  json["detail"] = scored.detail();
  return json;
}

template <class Scored>
void PrintLine(const std::string& name, const Scored& scored, const std::string& more = "") {
  char score[32] = "-";
  if (scored.status() == reward::STATUS_OK) {
    std::snprintf(score, sizeof(score), "%.6g", scored.score());
  }
  std::string line = name + std::string(name.size() < 26 ? 26 - name.size() : 1, ' ') + score;
  line.resize(std::max<size_t>(line.size() + 1, 38), ' ');
  line += reward::StatusName(scored.status());
  if (!scored.detail().empty()) line += "  " + scored.detail();
  std::printf("%s\n", base::PrintableText(line + more).c_str());
}

void Print(const TriedSample& row, const reward::Verdict& verdict, bool as_json) {
  if (as_json) {
    OrderedJson out;
    out["id"] = row.id;
    out.update(ToJson(verdict));
    for (const reward::Component& component : verdict.components()) {
      OrderedJson json;
      json["name"] = component.name();
      json.update(ToJson(component));
      if (component.has_answer()) json["answer"] = component.answer();
      out["components"].push_back(std::move(json));
    }
    base::PrintJsonLine(out);
    return;
  }
  const std::string recorded =
      row.recorded.is_number() ? "  (the run recorded " + base::DumpJson(row.recorded) + ")" : "";
  if (!row.posed.empty()) std::printf("%s\n", row.posed.c_str());
  PrintLine((row.posed.empty() ? "sample " : "row ") + base::DumpJson(row.id), verdict, recorded);
  for (const reward::Component& component : verdict.components()) {
    PrintLine("  " + component.name(), component);
  }
}

proto::Recipe RecipeOfRows(const TrySettings& settings) {
  proto::Recipe recipe = LoadRecipe(settings.recipe, settings.overrides);
  if (recipe.rewards().empty()) throw Error(ErrorCode::kUsage, settings.recipe + " has no rewards");
  if (!settings.data.empty()) {
    recipe.mutable_data()->clear_generator();
    recipe.mutable_data()->clear_test();
    recipe.mutable_data()->set_train(settings.data);
  }
  return recipe;
}

// Poses rows as a run of the recipe does, through reward services of its own.
void TryRows(const TrySettings& settings) {
  constexpr int kRows = 3;
  const proto::Recipe recipe = RecipeOfRows(settings);
  const policy::Model model = InitialPolicyWithoutWeights(recipe);
  ProblemSource problems(recipe.data(), ProblemOptions(recipe, model));
  for (const UnreadableRows& rows : problems.unreadable()) {
    base::PrintNote("warning: " + rows.Describe());
  }
  const std::vector<SharedProblem> rows =
      FirstRows(problems, static_cast<size_t>(settings.rows.value_or(kRows)));
  std::vector<std::string> completions, posed;
  for (const SharedProblem& row : rows) {
    const StandIn completion = CompletionOf(settings, recipe.data(), row->problem);
    completions.push_back(completion.text);
    posed.push_back(row->problem.place + (row->problem.place.empty() ? "" : ": ") +
                    "completion: " + completion.origin);
  }
  const base::TemporaryFolder logs;
  const std::vector<EpisodeGroup> judged =
      JudgesOf(recipe, model, logs.path()).Judge(PoseRows(model, rows, completions));
  for (size_t i = 0; i < judged.size(); ++i) {
    Print({.id = i + 1, .sample = {}, .recorded = {}, .posed = posed[i]},
          judged[i].episodes.front().verdict, settings.json);
  }
  for (const RewardFailure& failure : FailuresOf(judged)) {
    if (failure.failed < failure.tried) continue;
    throw Error(ErrorCode::kEnvironment,
                "the reward '" + failure.reward + "' fails on each of the " +
                    std::to_string(failure.tried) + " rows; the first: " + failure.reason);
  }
}

void AddFlags(CLI::App* app, TrySettings* settings) {
  auto* recipe = app->add_option("--recipe", settings->recipe,
                                 "score with this recipe's rewards; by itself: rows of its data, "
                                 "posed as a run does");
  app->add_option("overrides", settings->overrides, "key=value of the recipe, as for train")
      ->needs(recipe);
  auto* data = app->add_option("--data", settings->data,
                               "JSON lines whose rows are posed in place of the recipe's");
  data->needs(recipe);
  app->add_option("--rows", settings->rows, "so many rows, from the top (default 3)")
      ->needs(recipe)
      ->check(CLI::Range(1, 100'000));
  app->add_option("--reward", settings->reward,
                  "or with one reward; cohort grade --help lists them")
      ->excludes(recipe);
  app->add_option("--option", settings->options, "key=value of --reward, once for each option")
      ->allow_extra_args(false);
  auto* completion = app->add_option("--completion", settings->completion,
                                     "what to score; of rows by default their demonstration, or "
                                     "their answer in \\boxed{}");
  app->add_option("--completion-column", settings->completion_column,
                  "or: the column of the rows with it")
      ->needs(recipe)
      ->excludes(completion);
  app->add_option("--prompt", settings->prompt, "its prompt");
  app->add_option("--answer", settings->answer, "the right answer");
  app->add_option(
         "--column", settings->columns,
         "key=value of another column of the dataset's row: a text, or a JSON list or object")
      ->allow_extra_args(false);
  app->add_option("--input", settings->input,
                  "or JSON lines, such as a run's samples.jsonl; - reads stdin")
      ->excludes(completion)
      ->excludes(data);
  app->add_option("--workers", settings->workers, "threads")->check(CLI::Range(1, 1024));
  app->add_option("--deadline-ms", settings->limit_ms,
                  "longest time for one sample and reward; of rows it is rollout.reward_deadline_s")
      ->check(CLI::Range(1, 3'600'000));
  AddWeakSandboxFlag(*app);
  app->add_flag("--json", settings->json, "one JSON object a sample");
}

}  // namespace

int RunReward(int argc, char** argv) {
  TrySettings settings;
  CLI::App app("Rewards outside a run.", "cohort reward");
  CLI::App* attempt = app.add_subcommand(
      "try",
      "Scores and shows every component. Examples:\n"
      "  cohort reward try --reward last_number --completion 'So it is 18.' --answer 18\n"
      "  cohort reward try --recipe recipes/quickstart.yaml --rows 5\n"
      "  cohort reward try --reward python --option path=my_reward.py --input "
      "runs/x/samples.jsonl");
  app.require_subcommand(1);
  AddFlags(attempt, &settings);
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;
  if (settings.recipe.empty() && settings.reward.empty()) {
    throw Error(ErrorCode::kUsage, "nothing to score with: name a --reward or a --recipe");
  }
  if (PosesRows(settings)) {
    TryRows(settings);
    return 0;
  }
  if (settings.input.empty() && !settings.completion) {
    throw Error(ErrorCode::kUsage, "nothing to score: give a --completion or an --input");
  }
  const std::vector<TriedSample> rows = ReadRows(settings);
  const std::vector<reward::Verdict> verdicts = ScoreRows(settings, rows);
  for (size_t i = 0; i < rows.size(); ++i) Print(rows[i], verdicts[i], settings.json);
  return 0;
}

}  // namespace cohort::rl
