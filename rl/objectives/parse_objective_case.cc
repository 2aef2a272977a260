#include <algorithm>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "base/error.h"
#include "base/nearest_name.h"
#include "rl/objectives/objective.h"
#include "rl/objectives/objective_case.h"
#include "rl/objectives/parse_objective.h"

namespace cohort::rl {
namespace {

using Json = nlohmann::json;

[[noreturn]] void Refuse(const std::string& message, const std::string& hint = "") {
  throw Error(ErrorCode::kUsage, message, hint);
}

std::string At(const std::string& where, size_t index) {
  return where + "[" + std::to_string(index) + "]";
}

std::string Shorten(const Json& value) {
  const std::string text = value.dump();
  return text.size() > 40 ? text.substr(0, 40) + "..." : text;
}

void RefuseUnknownFields(const Json& json, const std::string& where,
                         const std::vector<std::string>& known) {
  for (const auto& [field, value] : json.items()) {
    if (std::find(known.begin(), known.end(), field) == known.end()) {
      Refuse("unknown field " + where + field + base::DidYouMean(field, known));
    }
  }
}

const Json& RequireArray(const Json& json, const std::string& where, const std::string& field) {
  const auto found = json.find(field);
  if (found == json.end()) Refuse(where + field + " is missing");
  if (!found->is_array()) Refuse(where + field + " must be a list, got " + Shorten(*found));
  return *found;
}

std::vector<std::optional<double>> ReadRewards(const Json& json, const std::string& where) {
  std::vector<std::optional<double>> rewards;
  for (size_t g = 0; g < json.size(); ++g) {
    if (!json[g].is_number() && !json[g].is_null()) {
      Refuse(At(where, g) + " must be a number, or null for a failed sample, got " +
             Shorten(json[g]));
    }
    rewards.push_back(json[g].is_null() ? std::nullopt : std::optional(json[g].get<double>()));
  }
  if (rewards.empty()) Refuse(where + " is empty: a group has at least one sample");
  return rewards;
}

template <typename Value>
std::vector<Value> ReadRow(const Json& json, const std::string& where) {
  constexpr bool kBoolean = std::is_same_v<Value, bool>;
  if (!json.is_array()) Refuse(where + " must be a list with one entry a token");
  std::vector<Value> row;
  row.reserve(json.size());
  for (size_t t = 0; t < json.size(); ++t) {
    if (kBoolean ? !json[t].is_boolean() : !json[t].is_number()) {
      Refuse(At(where, t) + " must be " + (kBoolean ? "true or false" : "a finite number") +
             ", got " + Shorten(json[t]));
    }
    row.push_back(json[t].get<Value>());
  }
  return row;
}

// One row a reward; as many tokens in each as policy_logprobs has, once that is known.
template <typename Value>
std::vector<std::vector<Value>> ReadTokens(const Json& json, const std::string& where,
                                           const CaseGroup& group) {
  if (!json.is_array()) Refuse(where + " must be a list of lists, got " + Shorten(json));
  if (json.size() != group.rewards.size()) {
    Refuse(where + " has " + std::to_string(json.size()) + " samples, rewards has " +
           std::to_string(group.rewards.size()));
  }
  std::vector<std::vector<Value>> rows;
  for (size_t g = 0; g < json.size(); ++g) {
    rows.push_back(ReadRow<Value>(json[g], At(where, g)));
    if (group.policy_logprobs.empty()) continue;
    if (rows[g].size() != group.policy_logprobs[g].size()) {
      Refuse(At(where, g) + " has " + std::to_string(rows[g].size()) + " tokens, " +
             At("policy_logprobs", g) + " has " + std::to_string(group.policy_logprobs[g].size()));
    }
  }
  return rows;
}

template <typename Value>
std::optional<std::vector<std::vector<Value>>> ReadOptional(const Json& json,
                                                            const std::string& where,
                                                            const std::string& field,
                                                            const CaseGroup& group) {
  const auto found = json.find(field);
  if (found == json.end() || found->is_null()) return std::nullopt;
  return ReadTokens<Value>(*found, where + field, group);
}

CaseGroup ReadGroup(const Json& json, const std::string& at) {
  if (!json.is_object()) Refuse(at + " must be an object, got " + Shorten(json));
  const std::string where = at + ".";
  RefuseUnknownFields(json, where,
                      {"rewards", "policy_logprobs", "old_logprobs", "rollout_logprobs",
                       "ref_logprobs", "loss_mask"});
  CaseGroup group;
  group.rewards = ReadRewards(RequireArray(json, where, "rewards"), where + "rewards");
  group.policy_logprobs = ReadTokens<double>(RequireArray(json, where, "policy_logprobs"),
                                             where + "policy_logprobs", group);
  group.old_logprobs = ReadOptional<double>(json, where, "old_logprobs", group);
  group.rollout_logprobs = ReadOptional<double>(json, where, "rollout_logprobs", group);
  group.ref_logprobs = ReadOptional<double>(json, where, "ref_logprobs", group);
  group.loss_mask = ReadOptional<bool>(json, where, "loss_mask", group);
  return group;
}

}  // namespace

ObjectiveCase ParseObjectiveCase(const Json& json) {
  if (!json.is_object()) Refuse("a case must be an object, got " + Shorten(json));
  RefuseUnknownFields(json, "", {"name", "objective", "groups"});
  ObjectiveCase parsed;
  if (const auto name = json.find("name"); name != json.end()) {
    if (!name->is_string()) Refuse("name must be text, got " + Shorten(*name));
    parsed.name = name->get<std::string>();
  }
  if (!json.contains("objective")) {
    Refuse("objective is missing", "for example \"objective\": {\"preset\": \"grpo\"}");
  }
  parsed.objective = ParseObjective(json["objective"]);
  CheckObjective(parsed.objective);
  const Json& groups = RequireArray(json, "", "groups");
  if (groups.empty()) Refuse("groups is empty");
  for (size_t p = 0; p < groups.size(); ++p) {
    parsed.groups.push_back(ReadGroup(groups[p], At("groups", p)));
  }
  return parsed;
}

}  // namespace cohort::rl
