// Prints recipes, for rl/recipe/recipe.h: a whole recipe as YAML, or as flat key and value pairs.

#include <nlohmann/json.hpp>

#include "base/json_lines.h"
#include "rl/recipe/reader.h"
#include "rl/recipe/recipe.h"
#include "rl/recipe/value.h"

namespace cohort::rl {
namespace {

using google::protobuf::Message;
using Field = google::protobuf::FieldDescriptor;

// JSON's quoting is valid in YAML's double quotes.
std::string Printed(const Message& message, const Field* field, int index = -1) {
  const std::string text = TextOf(message, field, index);
  const bool words =
      field->cpp_type() == Field::CPPTYPE_STRING || field->cpp_type() == Field::CPPTYPE_ENUM;
  return words ? base::DumpJson(text) : text;
}

std::map<std::string, std::string> TextMap(const Message& message, const Field* field) {
  std::map<std::string, std::string> sorted;
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, field, i);
    sorted[TextOf(entry, field->message_type()->map_key())] =
        TextOf(entry, field->message_type()->map_value());
  }
  return sorted;
}

// A list of scalars or a map<string, string> on one line.
std::string Inline(const Message& message, const Field* field) {
  std::string inside;
  const auto add = [&](const std::string& text) { inside += (inside.empty() ? "" : ", ") + text; };
  if (field->is_map()) {
    for (const auto& [key, value] : TextMap(message, field)) {
      add(base::DumpJson(key) + ": " + base::DumpJson(value));
    }
    return "{" + inside + "}";
  }
  for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
    add(Printed(message, field, i));
  }
  return "[" + inside + "]";
}

class YamlPrinter {
 public:
  void Print(const Message& message, int indent) {
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      PrintField(message, message.GetDescriptor()->field(i), indent);
    }
  }
  const std::string& text() const { return text_; }

 private:
  void PrintField(const Message& message, const Field* field, int indent) {
    const auto* reflection = message.GetReflection();
    const bool nested = field->cpp_type() == Field::CPPTYPE_MESSAGE && !field->is_map();
    const std::string start = std::string(indent, ' ') + field->name() + ":";
    if (field->is_repeated() && nested) {
      text_ += start + (reflection->FieldSize(message, field) == 0 ? " []\n" : "\n");
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        const size_t entry = text_.size();
        Print(reflection->GetRepeatedMessage(message, field, i), indent + 4);
        text_[entry + indent + 2] = '-';
      }
    } else if (field->is_repeated()) {
      text_ += start + " " + Inline(message, field) + "\n";
    } else if (!reflection->HasField(message, field)) {
      return;  // a choice not made: model.path or model.scratch, a knob that the preset decides
    } else if (nested) {
      text_ += start + "\n";
      Print(reflection->GetMessage(message, field), indent + 2);
    } else {
      text_ += start + " " + Printed(message, field) + "\n";
    }
  }

  std::string text_;
};

void Flatten(const Message& message, const std::string& path, std::vector<RecipeValue>* values) {
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const Field* field = message.GetDescriptor()->field(i);
    const std::string key = JoinPath(path, field->name());
    const bool nested = field->cpp_type() == Field::CPPTYPE_MESSAGE && !field->is_map();
    if (field->is_repeated() && nested) {
      for (int k = 0; k < reflection->FieldSize(message, field); ++k) {
        Flatten(reflection->GetRepeatedMessage(message, field, k),
                key + "[" + std::to_string(k) + "]", values);
      }
    } else if (field->is_repeated()) {
      values->push_back({key, Inline(message, field)});
    } else if (reflection->HasField(message, field)) {
      if (nested) {
        Flatten(reflection->GetMessage(message, field), key, values);
      } else {
        values->push_back({key, TextOf(message, field)});
      }
    }
  }
}

}  // namespace

std::string ResolvedYaml(const proto::Recipe& recipe) {
  YamlPrinter printer;
  printer.Print(recipe, 0);
  return printer.text();
}

std::vector<RecipeValue> FlattenRecipe(const proto::Recipe& recipe) {
  std::vector<RecipeValue> values;
  Flatten(recipe, "", &values);
  return values;
}

}  // namespace cohort::rl
