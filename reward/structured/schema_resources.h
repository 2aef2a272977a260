#pragma once

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

#include "base/regex.h"
#include "reward/structured/schema_keywords.h"

namespace cohort::reward {

// A schema with an identifier of its own: the whole document, or a part of it with $id.
struct SchemaResource {
  std::string uri;
  SchemaDialect dialect = SchemaDialect::kDraft2020;
  const nlohmann::json* root = nullptr;
  std::map<std::string, const nlohmann::json*> anchors;          // dynamic ones too
  std::map<std::string, const nlohmann::json*> dynamic_anchors;  // 2019's recursive one: ""
};

// Where a $ref leads.
struct SchemaReference {
  const nlohmann::json* target = nullptr;
  std::string dynamic_anchor;  // looked for in the schemas under way first
  bool is_dynamic = false;
};

// All schemas of a document, read and checked once: their resources, where their references lead
// and their patterns compiled. The document must outlive it. Immutable, shared by threads.
class SchemaResources {
 public:
  // Errors: kUsage naming the place of a keyword with a wrong value, of a name that is nearly a
  // keyword, of a reference that leads nowhere or out of the document, or a bad pattern.
  explicit SchemaResources(const nlohmann::json& document);

  const SchemaResource& Of(const nlohmann::json& schema) const { return *resource_of_.at(&schema); }
  // The schema must have `keyword`: $ref, $dynamicRef or $recursiveRef.
  const SchemaReference& ReferenceOf(const nlohmann::json& schema,
                                     const std::string& keyword) const {
    return references_.at({&schema, keyword});
  }
  const base::Regex& Pattern(const std::string& text) const { return patterns_.at(text); }
  bool has_unevaluated() const { return has_unevaluated_; }

 private:
  struct Pending {
    const nlohmann::json* schema;
    std::string keyword;
    std::string place;
  };
  void Read(const nlohmann::json& schema, SchemaResource* resource, const std::string& place,
            int depth);
  SchemaResource* ReadIdentity(const nlohmann::json& schema, SchemaResource* resource,
                               const std::string& place);
  void ReadKeyword(const std::string& keyword, const nlohmann::json& schema,
                   SchemaResource* resource, const std::string& place, int depth);
  void ReadAnchors(const nlohmann::json& schema, SchemaResource* resource);
  void AddPattern(const std::string& pattern);
  void FindReference(const Pending& pending);
  const nlohmann::json& Target(const SchemaResource& from, const std::string& reference,
                               const std::string& place);

  std::deque<SchemaResource> resources_;
  std::map<std::string, SchemaResource*> by_uri_;
  std::unordered_map<const nlohmann::json*, SchemaResource*> resource_of_;
  std::map<std::pair<const nlohmann::json*, std::string>, SchemaReference> references_;
  std::map<std::string, base::Regex> patterns_;
  std::deque<Pending> pending_;
  bool has_unevaluated_ = false;
};

}  // namespace cohort::reward
