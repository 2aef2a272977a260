#include "reward/registry.h"

#include "base/error.h"
#include "base/nearest_name.h"

namespace cohort::reward {
namespace {

std::string Joined(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

void CheckOptionNames(const RewardInfo& reward, const std::map<std::string, std::string>& options) {
  std::vector<std::string> known;
  for (const OptionInfo& option : reward.options) known.push_back(option.name);
  for (const auto& [name, value] : options) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw Error(
        ErrorCode::kUsage,
        "reward '" + reward.name + "' has no option '" + name + "'" + base::DidYouMean(name, known),
        "its options are: " + Joined(known));
  }
}

}  // namespace

const std::vector<RewardInfo>& RegisteredRewards() {
  static const std::vector<RewardInfo> rewards = {
      LastNumberReward(), BoxedAnswerReward(), MathReward(),     ExactAnswerReward(),
      FuzzyMatchReward(), FormatReward(),      LengthReward(),   RepetitionReward(),
      LanguageReward(),   JsonSchemaReward(),  ToolCallReward(), LlmJudgeReward(),
      CodeReward(),       CustomReward(),      PythonReward(),   RemoteReward(),
  };
  return rewards;
}

const RewardInfo& FindReward(const std::string& name) {
  std::vector<std::string> known;
  for (const RewardInfo& reward : RegisteredRewards()) {
    if (reward.name == name) return reward;
    known.push_back(reward.name);
  }
  throw Error(ErrorCode::kUsage, "unknown reward '" + name + "'" + base::DidYouMean(name, known),
              "the rewards are: " + Joined(known));
}

bool JudgesAnswer(const std::string& name) {
  return name != "format" && name != "length" && name != "repetition" && name != "language";
}

void CheckReward(const std::string& name, const std::map<std::string, std::string>& options) {
  const RewardInfo& reward = FindReward(name);
  CheckOptionNames(reward, options);
  if (!reward.starts_process) reward.make(Options(name, options));
}

void CheckRewardLoads(const std::string& name, const std::map<std::string, std::string>& options) {
  if (FindReward(name).starts_process) MakeGrader(name, options);
}

std::shared_ptr<const Grader> MakeGrader(const std::string& name,
                                         const std::map<std::string, std::string>& options) {
  const RewardInfo& reward = FindReward(name);
  CheckOptionNames(reward, options);
  return reward.make(Options(name, options));
}

}  // namespace cohort::reward
