#include "reward/code/task.h"

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_place.h"
#include "base/nearest_name.h"

namespace cohort::reward::judge {
namespace {

using base::JsonPlace;
using nlohmann::json;

constexpr size_t kMaxTests = 10'000;

TestMode ModeOf(const JsonPlace& columns) {
  const std::string name = columns.Text("mode");
  if (name == "stdin") return TestMode::kStdin;
  if (name == "call") return TestMode::kCall;
  if (name == "assert") return TestMode::kAssert;
  columns.Fail("mode is '" + name.substr(0, 40) + "', expected stdin, call or assert" +
               base::DidYouMean(name.substr(0, 40), {"stdin", "call", "assert"}));
}

void CheckCount(const JsonPlace& tests) {
  const size_t count = tests.ListSize();
  if (count == 0) tests.Fail("is empty: nothing to test with");
  if (count > kMaxTests) tests.Fail("has more than " + std::to_string(kMaxTests) + " tests");
}

void ReadTests(const JsonPlace& tests, CodeTask* task) {
  CheckCount(tests);
  const bool checked = task->compare.method == Compare::Method::kChecker;
  for (size_t i = 0; i < tests.ListSize(); ++i) {
    const JsonPlace test = tests.Entry(i);
    switch (task->mode) {
      case TestMode::kStdin:
        task->stdin_tests.push_back(
            {test.Text("stdin"), checked ? test.TextOr("stdout", "") : test.Text("stdout")});
        break;
      case TestMode::kCall:
        test.Member("args", "a list of arguments").ListSize();
        if (const auto kwargs = test.Optional("kwargs"); kwargs && !kwargs->IsObject()) {
          kwargs->Refuse("an object of named arguments");
        }
        test.Member("expected", "the value to return");
        break;
      case TestMode::kAssert:
        test.Text();
        break;
    }
  }
  if (task->mode != TestMode::kStdin) task->tests = tests.value();
}

// MBPP's and HumanEval's own columns as `setup` and `tests`.
void ReadNamedDataset(const JsonPlace& columns, const std::string& prompt, CodeTask* task) {
  task->mode = TestMode::kAssert;
  if (const auto asserts = columns.Optional("test_list")) {
    if (const auto imports = columns.Optional("test_imports")) {
      for (size_t i = 0; i < imports->ListSize(); ++i)
        task->setup += imports->Entry(i).Text() + "\n";
    }
    task->setup += columns.TextOr("test_setup_code", "");
    ReadTests(*asserts, task);
    return;
  }
  task->preamble = prompt;
  task->setup = columns.Text("test");
  task->entry = columns.Text("entry_point");
  task->tests = json::array({"check(" + task->entry + ")"});
}

void CheckTogether(const JsonPlace& columns, const CodeTask& task) {
  using Method = Compare::Method;
  const Method method = task.compare.method;
  if (task.mode == TestMode::kCall && task.entry.empty()) columns.Fail("entry is missing");
  if (method == Method::kSequenceLenient && task.mode == TestMode::kStdin) {
    columns.Fail("compare is sequence_lenient, which is for calls, and mode is stdin");
  }
  if (method == Method::kChecker && task.mode != TestMode::kStdin) {
    columns.Fail("compare is checker, which is for mode stdin");
  }
  if (method == Method::kChecker && task.checker.empty()) columns.Fail("checker is missing");
}

}  // namespace

CodeTask ReadTask(std::string_view columns_json, const std::string& prompt,
                  const TaskDefaults& defaults) {
  if (base::JsonDepth(columns_json) > 200) {
    throw Error(ErrorCode::kUsage, "the columns are nested too deeply");
  }
  const json row = columns_json.empty() ? json::object() : base::ParseExactJson(columns_json);
  if (!row.is_object()) throw Error(ErrorCode::kUsage, "the columns are no JSON object");
  const JsonPlace columns(row, "");
  CodeTask task;
  task.language = columns.TextOr("language", defaults.language);
  task.limits = defaults.limits;
  if (const auto limits = columns.Optional("limits")) ReadLimits(limits->value(), &task.limits);
  const std::string compare = columns.TextOr("compare", "");
  task.compare = compare.empty() ? defaults.compare : ParseCompare(compare);
  task.stop_early = defaults.stop_early;
  task.all_or_nothing = defaults.all_or_nothing;
  task.checker = columns.TextOr("checker", "");
  task.checker_language = columns.TextOr("checker_language", "python");
  if (!row.contains("tests") && (row.contains("test_list") || row.contains("entry_point"))) {
    ReadNamedDataset(columns, prompt, &task);
  } else {
    task.mode = ModeOf(columns);
    task.entry = columns.TextOr("entry", "");
    task.setup = columns.TextOr("setup", "");
    ReadTests(columns.Member("tests", "a list of tests"), &task);
  }
  CheckTogether(columns, task);
  return task;
}

}  // namespace cohort::reward::judge
