#include "reward/structured/schema_resources.h"

#include "base/error.h"
#include "base/json_lines.h"
#include "reward/grader.h"
#include "reward/structured/ecma_pattern.h"
#include "reward/structured/uri.h"

namespace cohort::reward {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 100;

[[noreturn]] void Refuse(const std::string& place, const std::string& what) {
  throw Error(ErrorCode::kUsage, "JSON schema: " + place + " " + what,
              "reward/structured/README.md lists what is read");
}

// In draft 6 and 7 a $ref replaces the schema that it stands in.
bool IsReplaced(const json& schema, SchemaDialect dialect) {
  return dialect <= SchemaDialect::kDraft07 && schema.contains("$ref");
}

std::string TextAt(const json& schema, const char* keyword) {
  const auto found = schema.find(keyword);
  return found != schema.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

SchemaResources::SchemaResources(const json& document) {
  SchemaResource whole;
  whole.root = &document;
  whole.uri = "schema:/";
  if (document.is_object() && document.contains("$schema")) {
    whole.dialect = DialectNamed(TextAt(document, "$schema"));
  }
  resources_.push_back(std::move(whole));
  by_uri_[resources_.front().uri] = &resources_.front();
  Read(document, &resources_.front(), "#", 0);
  // A reference may lead to a part of the document that was no schema so far, with references.
  while (!pending_.empty()) {
    const Pending next = pending_.front();
    pending_.pop_front();
    FindReference(next);
  }
}

SchemaResource* SchemaResources::ReadIdentity(const json& schema, SchemaResource* resource,
                                              const std::string& place) {
  const std::string id = TextAt(schema, "$id");
  if (id.empty() || IsReplaced(schema, resource->dialect)) return resource;
  const std::string fragment = FragmentOf(id);
  if (id.starts_with('#')) {  // an anchor, up to draft 7
    if (resource->dialect > SchemaDialect::kDraft07) Refuse(place + "/$id", "has a fragment");
    resource->anchors[fragment] = &schema;
    return resource;
  }
  const std::string uri = ResolveUri(resource->uri, id);
  if (&schema != resource->root) {
    SchemaResource inner;
    inner.dialect =
        schema.contains("$schema") ? DialectNamed(TextAt(schema, "$schema")) : resource->dialect;
    resources_.push_back(std::move(inner));
    resource = &resources_.back();
    resource->root = &schema;
  }
  resource->uri = uri;
  by_uri_[uri] = resource;
  if (!fragment.empty()) resource->anchors[fragment] = &schema;
  return resource;
}

void SchemaResources::ReadAnchors(const json& schema, SchemaResource* resource) {
  if (resource->dialect < SchemaDialect::kDraft2019) return;
  const std::string anchor = TextAt(schema, "$anchor");
  if (!anchor.empty()) resource->anchors[anchor] = &schema;
  const std::string dynamic = TextAt(schema, "$dynamicAnchor");
  if (resource->dialect == SchemaDialect::kDraft2020 && !dynamic.empty()) {
    resource->anchors[dynamic] = resource->dynamic_anchors[dynamic] = &schema;
  }
  if (resource->dialect == SchemaDialect::kDraft2019 && &schema == resource->root &&
      schema.value("$recursiveAnchor", json(false)) == true) {
    resource->dynamic_anchors[""] = &schema;
  }
}

void SchemaResources::Read(const json& schema, SchemaResource* resource, const std::string& place,
                           int depth) {
  if (depth > kMaxDepth) Refuse(place, "is nested too deep");
  if (resource_of_.contains(&schema)) return;
  if (schema.is_object()) resource = ReadIdentity(schema, resource, place);
  resource_of_[&schema] = resource;
  if (schema.is_boolean()) return;
  if (!schema.is_object()) Refuse(place, "is neither an object nor true or false");
  ReadAnchors(schema, resource);
  for (const auto& [keyword, value] : schema.items()) {
    const bool replaced = IsReplaced(schema, resource->dialect);
    if (replaced && keyword != "$ref" && keyword != "definitions" && keyword != "$defs") continue;
    ReadKeyword(keyword, schema, resource, place + "/" + keyword, depth);
  }
}

void SchemaResources::ReadKeyword(const std::string& name, const json& schema,
                                  SchemaResource* resource, const std::string& place, int depth) {
  const json& value = schema.at(name);
  const SchemaKeyword* const keyword = FindKeyword(name, resource->dialect);
  if (keyword == nullptr) {
    const bool is_other_drafts = FindKeyword(name, SchemaDialect::kDraft2020) != nullptr ||
                                 FindKeyword(name, SchemaDialect::kDraft2019) != nullptr;
    const std::string near = is_other_drafts ? "" : NearKeyword(name);
    if (!near.empty()) Refuse(place, "is no keyword; did you mean '" + near + "'?");
    return;
  }
  const auto read = [&](const json& inner, const std::string& inner_place) {
    Read(inner, resource, inner_place, depth + 1);
  };
  const bool is_list = keyword->holds == KeywordHolds::kSchemas ||
                       (keyword->holds == KeywordHolds::kSchemaOrSchemas && value.is_array());
  if (is_list) {
    if (!value.is_array()) Refuse(place, "is not a list of schemas");
    for (size_t i = 0; i < value.size(); ++i) read(value[i], place + "/" + std::to_string(i));
  } else if (keyword->holds == KeywordHolds::kNamedSchemas) {
    if (!value.is_object()) Refuse(place, "is not an object of schemas");
    for (const auto& [member, inner] : value.items()) read(inner, place + "/" + member);
  } else if (keyword->holds != KeywordHolds::kValue) {
    read(value, place);
  } else if (!IsWellFormed(name, value)) {
    Refuse(place, "is " + base::DumpJson(value).substr(0, 60));
  }
  if (name == "dependencies") {
    for (const auto& [member, inner] : value.items()) {
      if (!inner.is_array()) read(inner, place + "/" + member);
    }
  }
  if (name.ends_with("Ref") || name == "$ref") pending_.push_back({&schema, name, place});
  if (name == "pattern") AddPattern(value.get<std::string>());
  if (name == "patternProperties") {
    for (const auto& [pattern, inner] : value.items()) AddPattern(pattern);
  }
  has_unevaluated_ |= name.starts_with("unevaluated");
}

void SchemaResources::AddPattern(const std::string& pattern) {
  if (!patterns_.contains(pattern)) patterns_.emplace(pattern, CompileEcmaPattern(pattern));
}

void SchemaResources::FindReference(const Pending& pending) {
  const SchemaResource& from = Of(*pending.schema);
  const std::string text = pending.schema->at(pending.keyword);
  SchemaReference reference;
  reference.target = &Target(from, text, pending.place);
  const SchemaResource& to = Of(*reference.target);
  const std::string anchor = pending.keyword == "$recursiveRef" ? "" : FragmentOf(text);
  const auto dynamic = to.dynamic_anchors.find(anchor);
  reference.is_dynamic = pending.keyword != "$ref" && dynamic != to.dynamic_anchors.end() &&
                         dynamic->second == reference.target;
  reference.dynamic_anchor = anchor;
  references_[{pending.schema, pending.keyword}] = reference;
}

const json& SchemaResources::Target(const SchemaResource& from, const std::string& reference,
                                    const std::string& place) {
  const std::string uri = reference.starts_with('#') ? from.uri : ResolveUri(from.uri, reference);
  const auto found = by_uri_.find(uri);
  if (found == by_uri_.end()) {
    Refuse(place, "is " + Quote(reference) +
                      ", which is not in this schema; other documents are never fetched");
  }
  SchemaResource* const resource = found->second;
  const std::string fragment = FragmentOf(reference);
  if (fragment.empty()) return *resource->root;
  if (!fragment.starts_with('/')) {
    const auto anchor = resource->anchors.find(fragment);
    if (anchor == resource->anchors.end())
      Refuse(place, "is " + Quote(reference) + ", which leads nowhere");
    return *anchor->second;
  }
  try {
    const json& target = resource->root->at(json::json_pointer(fragment));
    Read(target, resource, place, 0);
    return target;
  } catch (const json::exception&) {
    Refuse(place, "is " + Quote(reference) + ", which leads nowhere");
  }
}

}  // namespace cohort::reward
