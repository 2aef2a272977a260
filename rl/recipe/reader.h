#pragma once

// Maps YAML onto the messages of recipe.proto by reflection, collecting every fault.

#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cohort::rl {

// Used by LoadRecipe only. Key paths are written "rounds[0].steps"; the recipe itself is "".
class RecipeReader {
 public:
  using Message = google::protobuf::Message;
  using Field = google::protobuf::FieldDescriptor;

  // Where values come from until the next call: lines of a file, or one command-line argument.
  void FromFile(std::string file);
  void FromArgument(std::string argument);

  void ReadMessage(const YAML::Node& node, const std::string& path, Message* message);
  // "a.b[1].c=value" onto `recipe`.
  void ReadOverride(std::string_view key, std::string_view value, Message* recipe);

  // A fault at the place where `path`, or the nearest thing around it, was written.
  void AddFault(const std::string& path, const std::string& what);
  // A fault at `node` (or, with an empty one, in the argument that is being read).
  void AddFaultHere(const YAML::Node& node, const std::string& what);
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  struct Target {
    Message* message;
    const Field* field;
  };

  std::string Here(const YAML::Node& node) const;
  void ReadField(const YAML::Node& node, const std::string& path, Target target);
  void ReadList(const YAML::Node& node, const std::string& path, Target target);
  void ReadTextMap(const YAML::Node& node, const std::string& path, Target target);
  void ReadScalar(const YAML::Node& node, const std::string& path, Target target);

  // Where an override's key has led so far, from the recipe inwards.
  struct KeyWalk {
    std::string_view rest;        // of the key
    std::string path;             // the part that was read
    Message* message;             // that `rest` goes on in
    const Field* leaf = nullptr;  // set when the key ends at that field of `message`
  };
  bool EnterField(KeyWalk* walk);
  bool EnterList(const Field* field, KeyWalk* walk);

  std::string file_;
  std::string argument_;                        // "" while reading a file
  std::map<std::string, std::string> origins_;  // key path -> "FILE:LINE" or "argument '...'"
  std::vector<std::string> faults_;
};

// "; did you mean 'x'?" for a key of `descriptor` that is not there: the nearest one beside it,
// else the nearest of the whole recipe ('rounds[i].learning_rate'); or "".
std::string DidYouMeanKey(const std::string& key, const google::protobuf::Descriptor* descriptor);

// Names of a message's fields, for "did you mean".
std::vector<std::string> FieldNames(const google::protobuf::Descriptor* descriptor);

// "rounds[0]" + "steps" -> "rounds[0].steps"; "" + "name" -> "name".
std::string JoinPath(const std::string& path, std::string_view name);

}  // namespace cohort::rl
