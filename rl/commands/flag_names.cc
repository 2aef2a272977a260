#include "rl/commands/flag_names.h"

#include <map>

namespace cohort::rl {
namespace {

using Names = std::vector<base::SettingName>;

const std::map<std::string, Names>& Table() {
  static const base::SettingName kCache = {"rollout.kv_cache_mb", "--kv-cache-mb"};
  static const base::SettingName kDtype = {"rollout.dtype", "--dtype"};
  static const base::SettingName kWeakSandbox = {"rollout.allow_weak_sandbox=true",
                                                 "--allow-weak-sandbox"};
  static const base::SettingName kTemplate = {"data.chat_template", "--chat-template"};
  static const std::map<std::string, Names> table = {
      {"generate",
       {kCache,
        kDtype,
        kTemplate,
        {"rollout.max_new_tokens", "--max-tokens"},
        {"rollout.temperature", "--temperature"},
        {"data.chat=false", "no --chat and no 'messages'"}}},
      {"score", {kCache, kDtype}},
      {"tokenize", {kTemplate, {"data.chat=false", "no --chat and no 'messages'"}}},
      {"eval",
       {kCache,
        kWeakSandbox,
        kTemplate,
        {"data.chat=true", "--chat"},
        {"rollout.max_new_tokens", "--max-tokens"},
        {"rollout.temperature", "--temperature"},
        {"data.chat=false", "no --chat and no 'messages'"},
        {"data.prompt_field", "--prompt-field"},
        {"data.answer_field", "--answer-field"},
        {"data.prompt_template", "--prompt-template"},
        {"data.instruction", "--instruction"},
        {"data.max_unreadable_share", "--max-unreadable-share"}}},
      {"grade", {kWeakSandbox}},
      {"convert", {{"model.upcycle", "--upcycle"}}},
      {"bench decode", {kCache, kDtype, {"rollout.max_new_tokens", "--new-tokens"}}},
      {"bench grade", {kWeakSandbox}},
      {"bench prefill", {kCache, {"rollout.max_new_tokens", "--prompt-tokens"}}},
      {"bench sft",
       {{"model.path", "--model"},
        {"data.max_sequence_tokens", "--tokens"},
        {"rounds[0].steps", "--steps"},
        {"rounds[0].sequences_per_step", "--sequences"}}},
      {"bench step",
       {kCache,
        {"model.path", "--model"},
        {"data.max_prompt_tokens", "--prompt-tokens"},
        {"rollout.max_new_tokens", "--new-tokens"},
        {"objective.kl_coef", "--kl-coef"},
        {"rounds[0].steps", "--steps"},
        {"rounds[0].prompts_per_step", "--prompts"},
        {"rounds[0].group_size", "--group"}}},
  };
  return table;
}

}  // namespace

const Names& FlagNames(const std::string& command) {
  static const Names none;
  const auto found = Table().find(command);
  return found == Table().end() ? none : found->second;
}

std::vector<std::string> CommandsWithFlagNames() {
  std::vector<std::string> commands;
  for (const auto& [command, names] : Table()) commands.push_back(command);
  return commands;
}

}  // namespace cohort::rl
