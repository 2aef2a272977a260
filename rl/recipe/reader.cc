#include "rl/recipe/reader.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/nearest_name.h"
#include "rl/recipe/recipe.pb.h"
#include "rl/recipe/value.h"

namespace cohort::rl {
namespace {

const char* KindOf(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  return node.IsScalar() ? "a single value" : "nothing";
}

std::string In(const std::string& path) { return path.empty() ? "the recipe" : path; }

}  // namespace

std::vector<std::string> FieldNames(const google::protobuf::Descriptor* descriptor) {
  std::vector<std::string> names;
  for (int i = 0; i < descriptor->field_count(); ++i) names.push_back(descriptor->field(i)->name());
  return names;
}

namespace {

// The paths of all keys below `descriptor`, by their last names.
void AddKeys(const google::protobuf::Descriptor* descriptor, const std::string& path,
             std::map<std::string, std::string>* paths) {
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    const std::string here = JoinPath(path, field->name());
    paths->emplace(field->name(), here);
    if (field->is_map() || field->cpp_type() != RecipeReader::Field::CPPTYPE_MESSAGE) continue;
    AddKeys(field->message_type(), here + (field->is_repeated() ? "[i]" : ""), paths);
  }
}

}  // namespace

std::string DidYouMeanKey(const std::string& key, const google::protobuf::Descriptor* descriptor) {
  const std::string beside = base::DidYouMean(key, FieldNames(descriptor));
  if (!beside.empty()) return beside;
  std::map<std::string, std::string> paths;
  AddKeys(proto::Recipe::descriptor(), "", &paths);
  std::vector<std::string> names;
  for (const auto& [name, path] : paths) names.push_back(name);
  const std::string nearest = base::NearestName(key, names);
  if (nearest.empty()) return "";
  const std::string& path = paths.at(nearest);
  const bool is_top_level = path.find('.') == std::string::npos;
  return "; did you mean '" + path + (is_top_level ? "' at the top level?" : "'?");
}

std::string JoinPath(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

void RecipeReader::FromFile(std::string file) {
  file_ = std::move(file);
  argument_.clear();
}

void RecipeReader::FromArgument(std::string argument) { argument_ = std::move(argument); }

std::string RecipeReader::Here(const YAML::Node& node) const {
  if (!argument_.empty()) return "argument '" + argument_ + "'";
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? file_ : file_ + ":" + std::to_string(mark.line + 1);
}

void RecipeReader::AddFaultHere(const YAML::Node& node, const std::string& what) {
  faults_.push_back(Here(node) + ": " + what);
}

void RecipeReader::AddFault(const std::string& path, const std::string& what) {
  std::string key = path;
  while (!key.empty() && !origins_.contains(key)) {
    const size_t cut = key.find_last_of(".[");
    key = cut == std::string::npos ? "" : key.substr(0, cut);
  }
  const auto origin = origins_.find(key);
  faults_.push_back((key.empty() || origin == origins_.end() ? file_ : origin->second) + ": " +
                    what);
}

void RecipeReader::ReadMessage(const YAML::Node& node, const std::string& path, Message* message) {
  if (node.IsNull()) return;
  if (!node.IsMap()) {
    return AddFaultHere(node, In(path) + " must be a mapping of keys, not " + KindOf(node));
  }
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) {
      AddFaultHere(entry.first, "a key of " + In(path) + " is " + KindOf(entry.first));
      continue;
    }
    const std::string& key = entry.first.Scalar();
    const Field* field = message->GetDescriptor()->FindFieldByName(key);
    if (field == nullptr) {
      AddFaultHere(entry.first, "unknown key '" + key + "' in " + In(path) +
                                    DidYouMeanKey(key, message->GetDescriptor()));
    } else if (!seen.insert(key).second) {
      AddFaultHere(entry.first, "key '" + key + "' appears twice in " + In(path));
    } else {
      origins_[JoinPath(path, key)] = Here(entry.first);
      ReadField(entry.second, JoinPath(path, key), {message, field});
    }
  }
}

void RecipeReader::ReadField(const YAML::Node& node, const std::string& path, Target target) {
  const auto [message, field] = target;
  if (field->is_map()) return ReadTextMap(node, path, target);
  if (field->is_repeated()) return ReadList(node, path, target);
  if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
    return ReadMessage(node, path, message->GetReflection()->MutableMessage(message, field));
  }
  ReadScalar(node, path, target);
}

void RecipeReader::ReadList(const YAML::Node& node, const std::string& path, Target target) {
  const auto [message, field] = target;
  const auto* reflection = message->GetReflection();
  reflection->ClearField(message, field);
  if (node.IsNull()) return;
  if (!node.IsSequence()) {
    return AddFaultHere(node, path + " must be a list, not " + std::string(KindOf(node)));
  }
  for (size_t i = 0; i < node.size(); ++i) {
    const std::string entry = path + "[" + std::to_string(i) + "]";
    origins_[entry] = Here(node[i]);
    if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
      ReadMessage(node[i], entry, reflection->AddMessage(message, field));
    } else {
      ReadScalar(node[i], entry, target);
    }
  }
}

void RecipeReader::ReadTextMap(const YAML::Node& node, const std::string& path, Target target) {
  if (node.IsNull()) return;
  if (!node.IsMap()) {
    return AddFaultHere(
        node, path + " must be a mapping of names to texts, not " + std::string(KindOf(node)));
  }
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar() || !entry.second.IsScalar()) {
      AddFaultHere(entry.first, path + " holds single values only");
    } else if (!seen.insert(entry.first.Scalar()).second) {
      AddFaultHere(entry.first, "key '" + entry.first.Scalar() + "' appears twice in " + path);
    } else {
      SetMapEntry(entry.first.Scalar(), entry.second.Scalar(), target.message, target.field);
    }
  }
}

void RecipeReader::ReadScalar(const YAML::Node& node, const std::string& path, Target target) {
  if (!node.IsScalar()) {
    return AddFaultHere(node, path + " must be a single value, not " + std::string(KindOf(node)));
  }
  const std::string fault = SetFromText(node.Scalar(), target.message, target.field);
  if (!fault.empty()) AddFaultHere(node, path + " " + fault);
}

}  // namespace cohort::rl
