#include "rl/recipe/value.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/nearest_name.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

using Field = google::protobuf::FieldDescriptor;
using Message = google::protobuf::Message;

std::string NumberText(double value) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr};
}

// Ranges in the schema are bounds that people read: 100000, not 1e+05.
std::string BoundText(double value) {
  if (std::floor(value) == value && std::abs(value) < 1e15) {
    return std::to_string(static_cast<int64_t>(value));
  }
  return NumberText(value);
}

template <typename Number>
std::optional<Number> ParseWhole(const std::string& text) {
  Number value{};
  const char* end = text.data() + text.size();
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto result = std::from_chars(begin, end, value);
  if (result.ec != std::errc() || result.ptr != end || begin == end) return std::nullopt;
  return value;
}

std::optional<bool> ParseBool(const std::string& text) {
  for (const char* yes : {"true", "True", "TRUE", "yes", "on"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"false", "False", "FALSE", "no", "off"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

std::string CheckRange(double value, const proto::Rule& rule, const std::string& text) {
  const bool too_low = rule.has_min() && value < rule.min();
  const bool too_high = rule.has_max() && value > rule.max();
  if (!too_low && !too_high) return "";
  const std::string unit = rule.has_unit() ? " " + rule.unit() : "";
  if (rule.has_min() && rule.has_max()) {
    return "is " + text + "; must be between " + BoundText(rule.min()) + " and " +
           BoundText(rule.max()) + unit;
  }
  return "is " + text + "; must be at " +
         (too_low ? "least " + BoundText(rule.min()) : "most " + BoundText(rule.max())) + unit;
}

// The fault of a word that stands for no value of the enum.
std::string NoSuchWord(const std::string& text, const google::protobuf::EnumDescriptor& type) {
  const std::vector<std::string> words = WordsOf(type);
  return "is '" + text + "'; must be one of " + base::CommaSeparated(words) +
         base::DidYouMean(text, words);
}

// `set` and `add` are the reflection's setters of one type.
template <typename Value, typename Set, typename Add>
void Store(Message* message, const Field* field, Value value, Set set, Add add) {
  const auto* reflection = message->GetReflection();
  if (field->is_repeated()) {
    (reflection->*add)(message, field, std::move(value));
  } else {
    (reflection->*set)(message, field, std::move(value));
  }
}

}  // namespace

const proto::Rule& RuleOf(const Field* field) {
  const auto* recipe = proto::Recipe::descriptor();
  if (field->file() == recipe->file()) return field->options().GetExtension(proto::rule);
  for (int i = 0; i < recipe->field_count(); ++i) {
    if (recipe->field(i)->message_type() != field->containing_type()) continue;
    const auto& keys = recipe->field(i)->options().GetExtension(proto::rule).keys();
    if (const auto found = keys.find(field->name()); found != keys.end()) return found->second;
  }
  return proto::Rule::default_instance();
}

std::string SetFromText(const std::string& text, Message* message, const Field* field) {
  using R = google::protobuf::Reflection;
  const proto::Rule& rule = RuleOf(field);
  std::string fault;
  switch (field->cpp_type()) {
    case Field::CPPTYPE_STRING:
      Store(message, field, text, &R::SetString, &R::AddString);
      return "";
    case Field::CPPTYPE_ENUM: {
      const auto* value = FindWord(*field->enum_type(), text);
      if (value == nullptr) return NoSuchWord(text, *field->enum_type());
      Store(message, field, value, &R::SetEnum, &R::AddEnum);
      return "";
    }
    case Field::CPPTYPE_BOOL: {
      const auto value = ParseBool(text);
      if (!value) return "must be true or false, not '" + text + "'";
      Store(message, field, *value, &R::SetBool, &R::AddBool);
      return "";
    }
    case Field::CPPTYPE_INT32: {
      const auto value = ParseWhole<int64_t>(text);
      if (!value) return "must be a whole number, not '" + text + "'";
      fault = CheckRange(static_cast<double>(*value), rule, text);
      if (!fault.empty()) return fault;
      if (*value != static_cast<int32_t>(*value)) return "is " + text + "; must fit into 32 bits";
      Store(message, field, static_cast<int32_t>(*value), &R::SetInt32, &R::AddInt32);
      return "";
    }
    case Field::CPPTYPE_UINT64: {
      const auto value = ParseWhole<uint64_t>(text);
      if (!value)
        return "must be a whole number from 0 to 18446744073709551615, not '" + text + "'";
      Store(message, field, *value, &R::SetUInt64, &R::AddUInt64);
      return "";
    }
    case Field::CPPTYPE_DOUBLE: {
      const auto value = ParseWhole<double>(text);
      if (!value || !std::isfinite(*value)) return "must be a number, not '" + text + "'";
      fault = CheckRange(*value, rule, text);
      if (fault.empty()) Store(message, field, *value, &R::SetDouble, &R::AddDouble);
      return fault;
    }
    default:
      COHORT_CHECK(false, "recipe.proto has a field type that recipes cannot write: " +
                              std::string(field->full_name()));
  }
}

std::string TextOf(const Message& message, const Field* field, int index) {
  const auto* reflection = message.GetReflection();
  const bool one = index < 0;
  switch (field->cpp_type()) {
    case Field::CPPTYPE_STRING:
      return one ? reflection->GetString(message, field)
                 : reflection->GetRepeatedString(message, field, index);
    case Field::CPPTYPE_ENUM:
      return WordOf(*reflection->GetEnum(message, field));
    case Field::CPPTYPE_BOOL:
      return reflection->GetBool(message, field) ? "true" : "false";
    case Field::CPPTYPE_INT32:
      return std::to_string(reflection->GetInt32(message, field));
    case Field::CPPTYPE_UINT64:
      return std::to_string(reflection->GetUInt64(message, field));
    case Field::CPPTYPE_DOUBLE:
      return NumberText(reflection->GetDouble(message, field));
    default:
      COHORT_CHECK(false, "recipe.proto has a field type that recipes cannot print: " +
                              std::string(field->full_name()));
  }
}

void SetMapEntry(const std::string& key, const std::string& value, Message* message,
                 const Field* field) {
  const auto* reflection = message->GetReflection();
  const Field* key_field = field->message_type()->map_key();
  const Field* value_field = field->message_type()->map_value();
  Message* entry = nullptr;
  for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
    Message* candidate = reflection->MutableRepeatedMessage(message, field, i);
    if (candidate->GetReflection()->GetString(*candidate, key_field) == key) entry = candidate;
  }
  if (entry == nullptr) entry = reflection->AddMessage(message, field);
  entry->GetReflection()->SetString(entry, key_field, key);
  entry->GetReflection()->SetString(entry, value_field, value);
}

}  // namespace cohort::rl
