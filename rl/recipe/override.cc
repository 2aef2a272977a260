// The command-line half of RecipeReader: walks "rounds[1].steps" down the schema.

#include <charconv>

#include "base/nearest_name.h"
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

// Steps into the entry of a list of messages that `rest` starts with.
bool RecipeReader::EnterList(std::string_view* rest, std::string* path, Message** message,
                             const Field* field) {
  const auto* reflection = (*message)->GetReflection();
  const int size = reflection->FieldSize(**message, field);
  const int index = TakeIndex(rest);
  if (index < 0 || !IsMessage(field)) {
    AddFaultHere({}, *path + (IsMessage(field) ? " needs an index, as in " + *path + "[0]"
                                               : " is set as a whole, as in " + *path + "=[a, b]"));
    return false;
  }
  if (index > size) {
    AddFaultHere({}, *path + " has " + std::to_string(size) + " entries; [" +
                         std::to_string(index) + "] is past the end");
    return false;
  }
  *path += "[" + std::to_string(index) + "]";
  *message = index == size ? reflection->AddMessage(*message, field)
                           : reflection->MutableRepeatedMessage(*message, field, index);
  return true;
}

// Consumes one name (and its index) of `rest`. Sets `leaf` when the path ends at that field.
bool RecipeReader::EnterField(std::string_view* rest, std::string* path, Message** message,
                              const Field** leaf) {
  const std::string name(rest->substr(0, rest->find_first_of(".[")));
  rest->remove_prefix(name.size());
  const auto* descriptor = (*message)->GetDescriptor();
  const Field* field = descriptor->FindFieldByName(name);
  if (field == nullptr) {
    AddFaultHere({}, "unknown key '" + name + "' in " + (path->empty() ? "the recipe" : *path) +
                         base::DidYouMean(name, FieldNames(descriptor)));
    return false;
  }
  *path = JoinPath(*path, name);
  if (rest->empty() || field->is_map()) {
    *leaf = field;
    return true;
  }
  if (field->is_repeated()) {
    if (!EnterList(rest, path, message, field)) return false;
  } else if (IsMessage(field)) {
    *message = (*message)->GetReflection()->MutableMessage(*message, field);
  } else {
    AddFaultHere({}, *path + " is a single value; nothing is inside it");
    return false;
  }
  if (rest->empty()) {
    AddFaultHere({}, *path + " is a group of keys: " + *path + ".KEY=VALUE sets one");
    return false;
  }
  if (!rest->starts_with('.') || rest->size() == 1) {
    AddFaultHere({}, "expected '.KEY' after " + *path + ", found '" + std::string(*rest) + "'");
    return false;
  }
  rest->remove_prefix(1);
  return true;
}

void RecipeReader::ReadOverride(std::string_view key, std::string_view value, Message* recipe) {
  Message* message = recipe;
  const Field* leaf = nullptr;
  std::string path;
  while (leaf == nullptr) {
    if (!EnterField(&key, &path, &message, &leaf)) return;
  }
  origins_[path] = "argument '" + argument_ + "'";
  if (leaf->is_map() && !key.empty()) {
    if (!key.starts_with('.') || key.size() == 1) {
      return AddFaultHere({}, "expected '.NAME' after " + path);
    }
    return SetMapEntry(std::string(key.substr(1)), std::string(value), message, leaf);
  }
  if (value.empty()) return message->GetReflection()->ClearField(message, leaf);
  const bool text = leaf->cpp_type() == Field::CPPTYPE_STRING && !leaf->is_repeated();
  try {
    // Text is taken as it stands: regular expressions and paths are full of YAML's own characters.
    const YAML::Node node = text ? YAML::Node(std::string(value)) : YAML::Load(std::string(value));
    ReadField(node, path, {message, leaf});
  } catch (const YAML::Exception& error) {
    AddFaultHere({}, "cannot read the value: " + error.msg);
  }
}

}  // namespace cohort::rl
