#include "rl/records/metrics_log.h"

#include <chrono>
#include <utility>

#include "base/json_lines.h"
#include "base/printable_text.h"
#include "rl/records/tensorboard_events.h"

namespace cohort::rl {
namespace {

using nlohmann::json;

constexpr char kMetrics[] = "metrics.jsonl";
constexpr char kSamples[] = "samples.jsonl";
constexpr char kEvents[] = "events.out.tfevents.0.cohort";  // TensorBoard looks for "tfevents"

uint64_t Position(const json& positions, const char* file) {
  return positions.is_null() ? 0 : positions.at(file).get<uint64_t>();
}

// 0 where the file is gone or was cut.
uint64_t EventsPosition(const std::filesystem::path& path, const json& positions) {
  const uint64_t position = Position(positions, kEvents);
  std::error_code none;
  const auto there = std::filesystem::file_size(path, none);
  return none || there < position ? 0 : position;
}

double WallTime() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

using Scalars = std::vector<std::pair<std::string, double>>;

// The numbers of a row by their path: "rewards/format/mean" for nested ones.
Scalars ScalarsOf(const json& row, const std::string& prefix = "") {
  Scalars scalars;
  for (const auto& [key, value] : row.items()) {
    const std::string tag = prefix + key;
    if (value.is_object()) {
      const Scalars inner = ScalarsOf(value, tag + "/");
      scalars.insert(scalars.end(), inner.begin(), inner.end());
    } else if (value.is_number() && tag != "step") {
      scalars.emplace_back(tag, value.get<double>());
    }
  }
  return scalars;
}

}  // namespace

MetricsLog::MetricsLog(const std::filesystem::path& run_folder, const json& positions)
    : metrics_(run_folder / kMetrics, Position(positions, kMetrics)),
      samples_(run_folder / kSamples, Position(positions, kSamples)),
      events_(run_folder / kEvents, EventsPosition(run_folder / kEvents, positions)) {
  if (events_.length() > 0) return;
  events_.Append(EventFileHeader(WallTime()));
  if (metrics_.length() == 0) return;
  for (const json& row : Read(run_folder)) {  // the event file is lost; the rows say it all
    events_.Append(ScalarEvent(row.value("step", int64_t{0}), WallTime(), ScalarsOf(row)));
  }
}

void MetricsLog::Append(const StepMetrics& metrics) {
  const json row = MetricsRow(metrics);
  metrics_.Append(base::DumpJson(row) + "\n");
  events_.Append(ScalarEvent(metrics.step, WallTime(), ScalarsOf(row)));
}

void MetricsLog::AppendSample(const json& row) {
  samples_.Append(base::PrintableJson(base::DumpJson(row)) + "\n");
}

json MetricsLog::Sync() {
  metrics_.Sync();
  samples_.Sync();
  events_.Sync();
  return {
      {kMetrics, metrics_.length()}, {kSamples, samples_.length()}, {kEvents, events_.length()}};
}

std::vector<json> MetricsLog::Read(const std::filesystem::path& run_folder) {
  std::vector<json> rows;
  base::ForEachJsonLine(run_folder / kMetrics, [&](const json& row, int) { rows.push_back(row); });
  return rows;
}

}  // namespace cohort::rl
