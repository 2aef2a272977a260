#pragma once

// The named rewards. A new one is a file of its own and a line in registry.cc.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reward/grader.h"
#include "reward/options.h"

namespace cohort::reward {

struct OptionInfo {
  std::string name;
  std::string description;
  bool trusted_only = false;  // names a file of this machine
};

struct RewardInfo {
  std::string name;
  std::string description;
  std::vector<OptionInfo> options;
  std::function<std::unique_ptr<Grader>(const Options&)> make;
  bool starts_process = false;  // made, it has a process running
  bool trusted_only = false;    // runs code, or dials an address, that its options name
};

// Each is defined in the file of its name.
RewardInfo LastNumberReward();
RewardInfo BoxedAnswerReward();
RewardInfo ExactAnswerReward();
RewardInfo FormatReward();
RewardInfo LengthReward();
RewardInfo MathReward();
RewardInfo FuzzyMatchReward();
RewardInfo RepetitionReward();
RewardInfo LanguageReward();
RewardInfo JsonSchemaReward();
RewardInfo ToolCallReward();
RewardInfo LlmJudgeReward();
RewardInfo CustomReward();
RewardInfo CodeReward();
RewardInfo PythonReward();
RewardInfo RemoteReward();

const std::vector<RewardInfo>& RegisteredRewards();

// Errors: kUsage with the nearest name.
const RewardInfo& FindReward(const std::string& name);

// False: it looks at how a completion is written (format, length, repetition, language), not at
// what it answers.
bool JudgesAnswer(const std::string& name);

// Throws the errors of MakeGrader that are about the name and the options; starts no process.
void CheckReward(const std::string& name, const std::map<std::string, std::string>& options);

// Starts the process of a reward that has one, and ends it: the check that CheckReward leaves out.
void CheckRewardLoads(const std::string& name, const std::map<std::string, std::string>& options);

// Errors: kUsage for an unknown reward or option (with the nearest name) or a bad option value.
std::shared_ptr<const Grader> MakeGrader(const std::string& name,
                                         const std::map<std::string, std::string>& options);

}  // namespace cohort::reward
