#include "base/json_place.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_lines.h"

namespace cohort::base {
namespace {

using nlohmann::json;

// Short, and never the whole of a list or an object.
std::string Show(const json& value) {
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  const std::string text = DumpJson(value);
  constexpr size_t kLongest = 60;
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

bool IsPlainKey(const std::string& key) {
  return !key.empty() && key.size() < 60 && std::all_of(key.begin(), key.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  });
}

}  // namespace

std::string JsonPlace::PlaceOf(const std::string& key) const {
  if (!IsPlainKey(key)) return place_ + "['" + key + "']";
  return place_.empty() ? key : place_ + "." + key;
}

JsonPlace JsonPlace::Member(const std::string& key, std::string_view expected) const {
  if (!value_->is_object()) Refuse("an object");
  const auto found = value_->find(key);
  if (found == value_->end()) {
    throw Error(ErrorCode::kUsage, (file_.empty() ? "" : file_ + ": ") + PlaceOf(key) +
                                       " is missing; expected " + std::string(expected));
  }
  return JsonPlace(*found, file_, PlaceOf(key));
}

std::optional<JsonPlace> JsonPlace::Optional(const std::string& key) const {
  if (!value_->is_object()) Refuse("an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonPlace(*found, file_, PlaceOf(key));
}

size_t JsonPlace::ListSize() const {
  if (!value_->is_array()) Refuse("a list");
  return value_->size();
}

JsonPlace JsonPlace::Entry(size_t index) const {
  return JsonPlace(value_->at(index), file_, place_ + "[" + std::to_string(index) + "]");
}

std::string JsonPlace::Text() const {
  if (!value_->is_string()) Refuse("a text");
  return value_->get<std::string>();
}

bool JsonPlace::Bool() const {
  if (!value_->is_boolean()) Refuse("true or false");
  return value_->get<bool>();
}

int64_t JsonPlace::Integer(int64_t low, int64_t high) const {
  const bool fits = value_->is_number_unsigned() ? value_->get<uint64_t>() <= INT64_MAX
                                                 : value_->is_number_integer();
  if (!fits || value_->get<int64_t>() < low || value_->get<int64_t>() > high) {
    Refuse("an integer from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return value_->get<int64_t>();
}

std::string JsonPlace::Text(const std::string& key) const { return Member(key, "a text").Text(); }

std::string JsonPlace::TextOr(const std::string& key, const std::string& missing) const {
  const auto member = Optional(key);
  return member ? member->Text() : missing;
}

bool JsonPlace::BoolOr(const std::string& key, bool missing) const {
  const auto member = Optional(key);
  return member ? member->Bool() : missing;
}

int64_t JsonPlace::Integer(const std::string& key, int64_t low, int64_t high) const {
  return Member(key, "an integer from " + std::to_string(low) + " to " + std::to_string(high))
      .Integer(low, high);
}

void JsonPlace::Refuse(std::string_view expected) const {
  Fail("is " + Show(*value_) + "; expected " + std::string(expected));
}

void JsonPlace::Fail(const std::string& what, const std::string& hint) const {
  const std::string place = place_.empty() ? "the whole" : place_;
  throw Error(ErrorCode::kUsage, (file_.empty() ? "" : file_ + ": ") + place + " " + what, hint);
}

int JsonDepth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace cohort::base
