// RecipeReader for command-line arguments: walks "rounds[1].steps" down the schema.

#include <charconv>

#include "rl/recipe/reader.h"
#include "rl/recipe/value.h"

namespace cohort::rl {
namespace {

using Field = google::protobuf::FieldDescriptor;

bool IsMessage(const Field* field) { return field->cpp_type() == Field::CPPTYPE_MESSAGE; }

// "[12]..." -> 12 and the text behind the bracket; -1 when it is not an index.
int TakeIndex(std::string_view* rest) {
  const size_t close = rest->find(']');
  int index = -1;
  if (!rest->starts_with('[') || close == std::string_view::npos) return -1;
  const char* end = rest->data() + close;
  const auto result = std::from_chars(rest->data() + 1, end, index);
  if (result.ec != std::errc() || result.ptr != end) return -1;
  rest->remove_prefix(close + 1);
  return index;
}

}  // namespace

// Steps into the entry of a list of messages that `walk->rest` starts with.
bool RecipeReader::EnterList(const Field* field, KeyWalk* walk) {
  const auto* reflection = walk->message->GetReflection();
  const int size = reflection->FieldSize(*walk->message, field);
  const int index = TakeIndex(&walk->rest);
  if (index < 0 || !IsMessage(field)) {
    AddFaultHere({}, walk->path + (IsMessage(field)
                                       ? " needs an index, as in " + walk->path + "[0]"
                                       : " is set as a whole, as in " + walk->path + "=[a, b]"));
    return false;
  }
  if (index > size) {
    AddFaultHere({}, walk->path + " has " + std::to_string(size) + " entries; [" +
                         std::to_string(index) + "] is past the end");
    return false;
  }
  walk->path += "[" + std::to_string(index) + "]";
  walk->message = index == size ? reflection->AddMessage(walk->message, field)
                                : reflection->MutableRepeatedMessage(walk->message, field, index);
  return true;
}

// Consumes one name (and its index) of `walk->rest`. Sets `leaf` when the key ends at that field.
bool RecipeReader::EnterField(KeyWalk* walk) {
  std::string_view& rest = walk->rest;
  const std::string name(rest.substr(0, rest.find_first_of(".[")));
  rest.remove_prefix(name.size());
  const auto* descriptor = walk->message->GetDescriptor();
  const Field* field = descriptor->FindFieldByName(name);
  if (field == nullptr) {
    AddFaultHere({}, "unknown key '" + name + "' in " +
                         (walk->path.empty() ? "the recipe" : walk->path) +
                         DidYouMeanKey(name, descriptor));
    return false;
  }
  walk->path = JoinPath(walk->path, name);
  if (rest.empty() || field->is_map()) {
    walk->leaf = field;
    return true;
  }
  if (field->is_repeated()) {
    if (!EnterList(field, walk)) return false;
  } else if (IsMessage(field)) {
    walk->message = walk->message->GetReflection()->MutableMessage(walk->message, field);
  } else {
    AddFaultHere({}, walk->path + " is a single value; nothing is inside it");
    return false;
  }
  if (rest.empty()) {
    AddFaultHere({}, walk->path + " is a group of keys: " + walk->path + ".KEY=VALUE sets one");
    return false;
  }
  if (!rest.starts_with('.') || rest.size() == 1) {
    AddFaultHere({}, "expected '.KEY' after " + walk->path + ", found '" + std::string(rest) + "'");
    return false;
  }
  rest.remove_prefix(1);
  return true;
}

void RecipeReader::ReadOverride(std::string_view key, std::string_view value, Message* recipe) {
  KeyWalk walk{key, "", recipe};
  while (walk.leaf == nullptr) {
    if (!EnterField(&walk)) return;
  }
  const auto& [rest, path, message, leaf] = walk;
  origins_[path] = "argument '" + argument_ + "'";
  if (leaf->is_map() && !rest.empty()) {
    if (!rest.starts_with('.') || rest.size() == 1) {
      return AddFaultHere({}, "expected '.NAME' after " + path);
    }
    return SetMapEntry(std::string(rest.substr(1)), std::string(value), message, leaf);
  }
  if (value.empty()) return message->GetReflection()->ClearField(message, leaf);
  const bool words =
      leaf->cpp_type() == Field::CPPTYPE_STRING || leaf->cpp_type() == Field::CPPTYPE_ENUM;
  try {
    // Text is taken as it stands: regular expressions and paths are full of YAML's own characters.
    const YAML::Node node = words && !leaf->is_repeated() ? YAML::Node(std::string(value))
                                                          : YAML::Load(std::string(value));
    ReadField(node, path, {message, leaf});
  } catch (const YAML::Exception& error) {
    AddFaultHere({}, "cannot read the value: " + error.msg);
  }
}

}  // namespace cohort::rl
