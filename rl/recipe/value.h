#pragma once

// One scalar of a recipe: text to a typed field, within the limits that its Rule names.

#include <google/protobuf/message.h>

#include <string>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// The rule of a field of recipe.proto, or of a key of a message that recipe.proto imports.
const proto::Rule& RuleOf(const google::protobuf::FieldDescriptor* field);

// Sets `field` of `message` (appends when it is a list). Returns "" or what is wrong, in words that
// follow the key: "must be a whole number, not 'abc'", "is 0; must be between 1 and 1024 tokens".
std::string SetFromText(const std::string& text, google::protobuf::Message* message,
                        const google::protobuf::FieldDescriptor* field);

// The shortest text that SetFromText reads back to the same value. `index` counts list entries, -1
// otherwise.
std::string TextOf(const google::protobuf::Message& message,
                   const google::protobuf::FieldDescriptor* field, int index = -1);

// Adds or replaces one entry of a map<string, string> field.
void SetMapEntry(const std::string& key, const std::string& value,
                 google::protobuf::Message* message,
                 const google::protobuf::FieldDescriptor* field);

}  // namespace cohort::rl
