#include "rl/recipe/recipe.h"

#include <filesystem>
#include <memory>

#include "base/durable_file.h"
#include "base/error.h"
#include "kernels/cpu/bf16_products.h"
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

// Sets what is unset and has a default, all through `message`.
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
    } else if (!field->is_repeated() && !reflection->HasField(*message, field)) {
      if (RuleOf(field).has_fallback()) {
        reflection->SetDouble(message, field, RuleOf(field).fallback());
      } else if (field->has_default_value()) {
        const std::string fault = SetFromText(TextOf(*message, field), message, field);
        COHORT_CHECK(fault.empty(), "default of " + std::string(field->full_name()) + " " + fault);
      }
    }
  }
}

// Values outside of their own field's rule, in a message that no reader has checked while reading.
std::vector<RecipeFault> CheckValues(const Message& message, const std::string& path) {
  std::vector<RecipeFault> faults;
  const auto* reflection = message.GetReflection();
  std::vector<const Field*> fields;
  reflection->ListFields(message, &fields);
  for (const Field* field : fields) {
    const std::string key = JoinPath(path, field->name());
    const auto check = [&](const Message& inside, const std::string& at) {
      for (RecipeFault& fault : CheckValues(inside, at)) faults.push_back(std::move(fault));
    };
    if (field->cpp_type() != Field::CPPTYPE_MESSAGE) {
      if (field->is_repeated()) continue;  // lists of texts, which have no rule
      const std::unique_ptr<Message> copy(message.New());
      const std::string fault = SetFromText(TextOf(message, field), copy.get(), field);
      if (!fault.empty()) faults.push_back({key, key + " " + fault});
    } else if (!field->is_repeated()) {
      check(reflection->GetMessage(message, field), key);
    } else if (!field->is_map()) {
      for (int k = 0; k < reflection->FieldSize(message, field); ++k) {
        check(reflection->GetRepeatedMessage(message, field, k),
              key + "[" + std::to_string(k) + "]");
      }
    }
  }
  return faults;
}

[[noreturn]] void ThrowFaults(const std::vector<std::string>& faults) {
  std::string all;
  for (const std::string& fault : faults) all += (all.empty() ? "" : "\n") + fault;
  throw Error(ErrorCode::kUsage, all, "recipes/README.md describes recipes and overrides");
}

}  // namespace

proto::Recipe WithDefaults(proto::Recipe recipe) {
  FillDefaults(&recipe);
  return recipe;
}

proto::Recipe CompleteRecipe(proto::Recipe recipe) {
  recipe = WithDefaults(std::move(recipe));
  std::vector<std::string> faults;
  for (const RecipeFault& fault : CheckValues(recipe, "")) faults.push_back(fault.what);
  if (faults.empty()) {
    for (const RecipeFault& fault : CheckRecipe(recipe)) faults.push_back(fault.what);
  }
  if (!faults.empty()) ThrowFaults(faults);
  return recipe;
}

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
  recipe = WithDefaults(std::move(recipe));
  for (const RecipeFault& fault : CheckRecipe(recipe)) reader.AddFault(fault.path, fault.what);
  if (!reader.faults().empty()) ThrowFaults(reader.faults());
  return recipe;
}

kernels::Numerics LearnerNumerics(const proto::Optimizer& optimizer) {
  switch (optimizer.precision()) {
    case proto::Optimizer::PRECISION_FLOAT32:
      return kernels::Numerics::kFloat32;
    case proto::Optimizer::PRECISION_BFLOAT16:
      return kernels::ThisBf16Products().numerics;
    case proto::Optimizer::PRECISION_FP8:
      return kernels::Numerics::kFp8Blocks;
  }
  return kernels::Numerics::kFloat32;
}

}  // namespace cohort::rl
