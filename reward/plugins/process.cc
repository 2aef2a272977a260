#include "reward/plugins/process.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"
#include "reward/plugins/protocol.h"

namespace cohort::reward {
namespace {

using Transfer = PluginChild::Transfer;

std::string Encode(const PluginRequest& request, const std::string_view (&texts)[5]) {
  std::string bytes(reinterpret_cast<const char*>(&request), sizeof(request));
  for (const std::string_view text : texts) {
    bytes += text;
    bytes += '\0';
  }
  return bytes;
}

Grade ToGrade(const PluginReply& reply) {
  const std::string detail =
      base::RepairUtf8({reply.detail, strnlen(reply.detail, sizeof(reply.detail))});
  switch (reply.outcome) {
    case PluginOutcome::kOk:
      if (std::isfinite(reply.score)) return {reply.score, STATUS_OK, detail};
      return Failed(STATUS_ERROR, std::string("the plug-in answered ") +
                                      (std::isnan(reply.score) ? "NaN" : "an infinite score"));
    case PluginOutcome::kUnparseable:
      return Failed(STATUS_UNPARSEABLE, detail);
    case PluginOutcome::kOutOfMemory:
      return Failed(STATUS_MEMORY, "the plug-in: " + detail);
    case PluginOutcome::kError:
      break;
  }
  return Failed(STATUS_ERROR, "the plug-in: " + (detail.empty() ? "failed" : detail));
}

}  // namespace

PluginProcess::PluginProcess(const PluginSettings& settings, const Budget& budget)
    : settings_(settings),
      child_({std::to_string(settings.memory_mib), "load", settings.path.string()}) {
  PluginReply hello = {};
  const Transfer transfer = child_.Receive(sizeof(hello), budget, &hello);
  if (transfer == Transfer::kDone && hello.outcome == PluginOutcome::kOk) return;
  const std::string why = transfer == Transfer::kDone ? std::string(hello.detail)
                                                      : child_.Lost(transfer, budget).detail;
  throw Error(child_.LoadFault(),
              "cannot load the plug-in " + settings_.path.string() + ": " + why);
}

std::vector<Grade> PluginProcess::Score(std::span<const Sample* const> samples,
                                        const Budget& budget) {
  std::vector<Grade> grades;
  for (const Sample* sample : samples) {
    grades.push_back(alive() ? ScoreOne(*sample, budget)
                             : Failed(STATUS_ERROR, "the plug-in's process is gone"));
  }
  return grades;
}

Grade PluginProcess::ScoreOne(const Sample& sample, const Budget& budget) {
  const std::string_view texts[5] = {sample.prompt(), sample.completion(), sample.answer(),
                                     sample.columns_json(), settings_.config};
  PluginRequest request = {++number_, sample.sample_id(), {}};
  for (int i = 0; i < 5; ++i) {
    if (texts[i].size() > kMaxPluginText) return Failed(STATUS_ERROR, "the sample is too large");
    request.sizes[i] = texts[i].size();
  }
  Transfer transfer = child_.Send(Encode(request, texts), budget);
  if (transfer != Transfer::kDone) return child_.Lost(transfer, budget);
  PluginReply reply;
  transfer = child_.Receive(sizeof(reply), budget, &reply);
  if (transfer != Transfer::kDone) return child_.Lost(transfer, budget);
  if (reply.number != number_) return child_.BrokeProtocol();
  return ToGrade(reply);
}

}  // namespace cohort::reward
