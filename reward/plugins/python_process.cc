#include "reward/plugins/python_process.h"

#include <cmath>

#include "base/error.h"
#include "base/json_lines.h"
#include "base/utf8.h"

namespace cohort::reward {
namespace {

using base::Json;
using Transfer = PluginChild::Transfer;

constexpr size_t kMaxLineBytes = size_t{16} << 20;

std::string HostScript() {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::filesystem::path script = beside / "cohort-python-host.py";
  if (!std::filesystem::exists(script)) {
    throw Error(ErrorCode::kEnvironment,
                "Python rewards need " + script.string() + ", which is missing",
                "build the target cohort-plugin-host");
  }
  return script.string();
}

Json ToJson(const Sample& sample) {
  return {{"prompt", sample.prompt()},
          {"completion", sample.completion()},
          {"answer", sample.answer()},
          {"columns", sample.columns_json()}};
}

Status StatusOf(const std::string& name) {
  for (const Status status : {STATUS_OK, STATUS_NOT_APPLICABLE, STATUS_MEMORY}) {
    if (name == StatusName(status)) return status;
  }
  return STATUS_ERROR;
}

// Throws what nlohmann throws on a shape that python_host.py does not write.
Grade ToGrade(const Json& json) {
  Grade grade;
  grade.status = StatusOf(json.at("status").get<std::string>());
  grade.detail = json.value("detail", "");
  if (grade.status == STATUS_OK) grade.score = json.at("score").get<double>();
  for (const Json& part : json.value("parts", Json::array())) {
    const Json& score = part.at("score");
    grade.parts.push_back({part.at("name").get<std::string>(),
                           score.is_null() ? std::nullopt : std::optional(score.get<double>())});
  }
  return grade;
}

// Empty when the line is not the answer to request `number` with `count` grades.
std::vector<Grade> ReadGrades(const std::string& line, uint64_t number, size_t count) {
  try {
    const Json reply = Json::parse(line);
    const Json& rows = reply.at("grades");
    if (reply.at("number") != number || rows.size() != count) return {};
    std::vector<Grade> grades;
    for (const Json& row : rows) grades.push_back(ToGrade(row));
    return grades;
  } catch (const Json::exception&) {
    return {};
  }
}

}  // namespace

PythonProcess::PythonProcess(const PythonSettings& settings, const Budget& budget)
    : child_({std::to_string(settings.memory_mib), "run", settings.interpreter, "-u", HostScript(),
              settings.path.string(), settings.function}) {
  std::string line;
  const Transfer transfer = child_.ReceiveLine(kMaxLineBytes, budget, &line);
  std::string why;
  if (transfer == Transfer::kDone) {
    const Json hello = Json::parse(line, nullptr, false);
    if (hello.is_object() && hello.value("ready", false)) {
      takes_batches_ = hello.value("batches", false);
      return;
    }
    why = hello.is_object() ? hello.value("error", "") : child_.BrokeProtocol().detail;
  } else {
    why = child_.Lost(transfer, budget).detail;
  }
  throw Error(child_.LoadFault(), "cannot load the reward " + settings.path.string() + ": " + why);
}

std::vector<Grade> PythonProcess::Score(std::span<const Sample* const> samples,
                                        const Budget& budget) {
  Json request = {{"number", ++number_}, {"samples", Json::array()}};
  for (const Sample* sample : samples) request["samples"].push_back(ToJson(*sample));
  Transfer transfer = child_.Send(base::DumpJson(request) + "\n", budget);
  std::string line;
  if (transfer == Transfer::kDone) transfer = child_.ReceiveLine(kMaxLineBytes, budget, &line);
  if (transfer != Transfer::kDone) {
    return std::vector<Grade>(samples.size(), child_.Lost(transfer, budget));
  }
  std::vector<Grade> grades = ReadGrades(line, number_, samples.size());
  if (grades.empty()) grades.assign(samples.size(), child_.BrokeProtocol());
  return grades;
}

}  // namespace cohort::reward
