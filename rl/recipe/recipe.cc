#include "rl/recipe/recipe.h"

#include <filesystem>

#include "base/durable_file.h"
#include "base/error.h"
#include "rl/recipe/reader.h"
#include "rl/recipe/rules.h"
#include "rl/recipe/value.h"

namespace cohort::rl {
namespace {

using google::protobuf::Message;
using Field = google::protobuf::FieldDescriptor;

constexpr uint64_t kMaxRecipeBytes = 1 << 20;

YAML::Node ParseFile(const std::string& path) {
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(path, error);
  if (error) {
    throw Error(ErrorCode::kUsage, "cannot read recipe " + path + ": " + error.message());
  }
  if (bytes > kMaxRecipeBytes) {
    throw Error(ErrorCode::kUsage, path + " has " + std::to_string(bytes) +
                                       " bytes; a recipe has at most " +
                                       std::to_string(kMaxRecipeBytes));
  }
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(base::ReadFile(path));
    if (documents.size() > 1) {
      throw Error(ErrorCode::kUsage, path + ":" + std::to_string(documents[1].Mark().line + 1) +
                                         ": a second YAML document; a recipe is one");
    }
    if (documents.empty() || documents[0].IsNull()) {
      throw Error(ErrorCode::kUsage, path + ": the recipe is empty");
    }
    return documents[0];
  } catch (const YAML::Exception& fault) {
    throw Error(ErrorCode::kUsage, path + ":" + std::to_string(fault.mark.line + 1) + ":" +
                                       std::to_string(fault.mark.column + 1) +
                                       ": not valid YAML: " + fault.msg);
  }
}

void ApplyOverrides(const std::vector<std::string>& overrides, RecipeReader* reader,
                    proto::Recipe* recipe) {
  for (const std::string& argument : overrides) {
    reader->FromArgument(argument);
    const size_t equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) {
      reader->AddFaultHere({}, "expected KEY=VALUE");
      continue;
    }
    reader->ReadOverride(std::string_view(argument).substr(0, equals),
                         std::string_view(argument).substr(equals + 1), recipe);
  }
}

// Makes defaults explicit, so that readers and printers need not know them.
void FillDefaults(Message* message) {
  const auto* reflection = message->GetReflection();
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const Field* field = message->GetDescriptor()->field(i);
    if (field->is_map()) continue;
    if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
      for (int k = 0; field->is_repeated() && k < reflection->FieldSize(*message, field); ++k) {
        FillDefaults(reflection->MutableRepeatedMessage(message, field, k));
      }
      const bool optional_choice = field->name() == "scratch" || field->name() == "upcycle";
      if (!field->is_repeated() && (!optional_choice || reflection->HasField(*message, field))) {
        FillDefaults(reflection->MutableMessage(message, field));
      }
    } else if (field->has_default_value() && !reflection->HasField(*message, field)) {
      const std::string fault = SetFromText(TextOf(*message, field), message, field);
      COHORT_CHECK(fault.empty(), "default of " + std::string(field->full_name()) + " " + fault);
    }
  }
}

[[noreturn]] void ThrowFaults(const std::vector<std::string>& faults) {
  std::string all;
  for (const std::string& fault : faults) all += (all.empty() ? "" : "\n") + fault;
  throw Error(ErrorCode::kUsage, all, "recipes/README.md describes recipes and overrides");
}

}  // namespace

proto::Recipe LoadRecipe(const std::string& path, const std::vector<std::string>& overrides) {
  const YAML::Node root = ParseFile(path);
  proto::Recipe recipe;
  RecipeReader reader;
  reader.FromFile(path);
  reader.ReadMessage(root, "", &recipe);
  ApplyOverrides(overrides, &reader, &recipe);
  // Rules between fields would only repeat what a misspelt key already said.
  if (!reader.faults().empty()) ThrowFaults(reader.faults());
  if (recipe.name().empty()) recipe.set_name(std::filesystem::path(path).stem().string());
  FillDefaults(&recipe);
  CheckRecipe(recipe, &reader);
  if (!reader.faults().empty()) ThrowFaults(reader.faults());
  return recipe;
}

}  // namespace cohort::rl
