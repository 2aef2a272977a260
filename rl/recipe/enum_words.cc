#include "rl/recipe/enum_words.h"

#include <cctype>

#include "base/error.h"

namespace cohort::rl {
namespace {

// "RoundKind" -> "round_kind_"
std::string PrefixOf(const std::string& type) {
  std::string prefix;
  for (const char letter : type) {
    if (std::isupper(static_cast<unsigned char>(letter)) && !prefix.empty()) prefix += '_';
    prefix += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return prefix + "_";
}

}  // namespace

std::string WordOf(const google::protobuf::EnumValueDescriptor& value) {
  std::string word;
  for (const char letter : value.name()) {
    word += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  const std::string prefix = PrefixOf(value.type()->name());
  COHORT_CHECK(word.starts_with(prefix), value.full_name() + " does not start with " + prefix);
  return word.substr(prefix.size());
}

std::vector<std::string> WordsOf(const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> words;
  for (int i = 0; i < type.value_count(); ++i) words.push_back(WordOf(*type.value(i)));
  return words;
}

const google::protobuf::EnumValueDescriptor* FindWord(const google::protobuf::EnumDescriptor& type,
                                                      const std::string& word) {
  for (int i = 0; i < type.value_count(); ++i) {
    if (WordOf(*type.value(i)) == word) return type.value(i);
  }
  return nullptr;
}

}  // namespace cohort::rl
