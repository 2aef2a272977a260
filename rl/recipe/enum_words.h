#pragma once

// How recipes, metrics and people write the values of recipe.proto's enums: KL_K1 of `enum Kl` is
// "k1", ROUND_KIND_REJECTION_SFT of `enum RoundKind` is "rejection_sft".

#include <google/protobuf/descriptor.h>
#include <google/protobuf/generated_enum_reflection.h>

#include <optional>
#include <string>
#include <vector>

namespace cohort::rl {

std::string WordOf(const google::protobuf::EnumValueDescriptor& value);

// The words of all values, in the order of the schema.
std::vector<std::string> WordsOf(const google::protobuf::EnumDescriptor& type);

// Null when no value is written so.
const google::protobuf::EnumValueDescriptor* FindWord(const google::protobuf::EnumDescriptor& type,
                                                      const std::string& word);

template <typename Enum>
std::string WordOf(Enum value) {
  return WordOf(*google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value));
}

template <typename Enum>
std::optional<Enum> EnumOf(const std::string& word) {
  const auto* found = FindWord(*google::protobuf::GetEnumDescriptor<Enum>(), word);
  if (found == nullptr) return std::nullopt;
  return static_cast<Enum>(found->number());
}

}  // namespace cohort::rl
