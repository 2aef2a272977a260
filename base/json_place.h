#pragma once

// A value in a JSON file together with where it stands, for readers that say what they expected.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cohort::base {

// Cheap to copy; points into the JSON value, which must outlive it. Every function that finds
// something else than it is asked for throws Error{kUsage}
// "FILE: PLACE is WHAT WAS FOUND; expected WHAT WAS ASKED FOR", e.g.
// "tokenizer.json: added_tokens[3].id is missing; expected an integer from 0 to 4000000".
// When there is no name of a file, the sentence begins with the place.
class JsonPlace {
 public:
  // `place` is where the value stands in its file; empty: it is the whole file.
  JsonPlace(const nlohmann::json& value, std::string file, std::string place = "")
      : value_(&value), file_(std::move(file)), place_(std::move(place)) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& file() const { return file_; }
  bool IsObject() const { return value_->is_object(); }

  // A member of an object; `expected` completes the sentence when it is missing.
  JsonPlace Member(const std::string& key, std::string_view expected = "a value") const;
  // The same, or nothing when it is missing or null.
  std::optional<JsonPlace> Optional(const std::string& key) const;
  size_t ListSize() const;
  JsonPlace Entry(size_t index) const;

  std::string Text() const;
  bool Bool() const;
  int64_t Integer(int64_t low, int64_t high) const;
  // The same of a member.
  std::string Text(const std::string& key) const;
  std::string TextOr(const std::string& key, const std::string& missing) const;
  bool BoolOr(const std::string& key, bool missing) const;
  int64_t Integer(const std::string& key, int64_t low, int64_t high) const;

  // Refuses the value itself.
  [[noreturn]] void Refuse(std::string_view expected) const;
  // Says `what` of the file, with the place before it.
  [[noreturn]] void Fail(const std::string& what, const std::string& hint = "") const;

 private:
  std::string PlaceOf(const std::string& key) const;

  const nlohmann::json* value_;
  std::string file_;
  std::string place_;
};

// Brackets open at once in a JSON text; a text of any nesting is safe to measure but not to copy.
int JsonDepth(std::string_view text);

}  // namespace cohort::base
