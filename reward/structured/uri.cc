#include "reward/structured/uri.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace cohort::reward {
namespace {

// scheme:, //authority, path and ?query, each with its marks; absent ones are empty.
struct UriParts {
  std::string_view scheme, authority, path, query;
};

UriParts Split(std::string_view uri) {
  UriParts parts;
  uri = uri.substr(0, uri.find('#'));
  const size_t colon = uri.find(':');
  if (colon != std::string_view::npos && colon > 0 && uri.find_first_of("/?") > colon) {
    parts.scheme = uri.substr(0, colon + 1);
    uri.remove_prefix(colon + 1);
  }
  const size_t question = std::min(uri.find('?'), uri.size());
  parts.query = uri.substr(question);
  uri = uri.substr(0, question);
  if (uri.starts_with("//")) {
    const size_t end = std::min(uri.find('/', 2), uri.size());
    parts.authority = uri.substr(0, end);
    uri.remove_prefix(end);
  }
  parts.path = uri;
  return parts;
}

std::string WithoutDotSegments(std::string_view path) {
  if (path.empty()) return "";
  std::vector<std::string_view> segments;
  const bool rooted = path.starts_with('/');
  bool folder = false;  // whether the path ends with '/'
  for (size_t at = rooted ? 1 : 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    const bool last = end == path.size();
    folder = last && (segment.empty() || segment == "." || segment == "..");
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (segment != "." && !(last && segment.empty())) {
      segments.push_back(segment);
    }
    at = end + 1;
  }
  std::string clean = rooted ? "/" : "";
  for (size_t i = 0; i < segments.size(); ++i) {
    clean += segments[i];
    if (i + 1 < segments.size() || folder) clean += '/';
  }
  return clean;
}

std::string Joined(std::string_view scheme, std::string_view authority, std::string_view path,
                   std::string_view query) {
  std::string uri(scheme);
  uri += authority;
  uri += path;
  uri += query;
  return uri;
}

}  // namespace

std::string ResolveUri(std::string_view base, std::string_view reference) {
  const UriParts from = Split(base), to = Split(reference);
  if (!to.scheme.empty()) return Joined(to.scheme, to.authority, to.path, to.query);
  if (!to.authority.empty()) return Joined(from.scheme, to.authority, to.path, to.query);
  if (to.path.empty()) {
    return Joined(from.scheme, from.authority, from.path, to.query.empty() ? from.query : to.query);
  }
  std::string path(to.path);
  if (!path.starts_with('/')) {
    const size_t slash = from.path.rfind('/');
    const bool bare = from.path.empty() && !from.authority.empty();
    path =
        (bare ? "/" : std::string(from.path.substr(0, slash == from.path.npos ? 0 : slash + 1))) +
        path;
  }
  return Joined(from.scheme, from.authority, WithoutDotSegments(path), to.query);
}

std::string FragmentOf(std::string_view reference) {
  const size_t hash = reference.find('#');
  if (hash == std::string_view::npos) return "";
  std::string fragment;
  for (size_t i = hash + 1; i < reference.size(); ++i) {
    unsigned value = 0;
    const char* const hex = reference.data() + i + 1;
    if (reference[i] == '%' && i + 2 < reference.size() &&
        std::from_chars(hex, hex + 2, value, 16).ptr == hex + 2) {
      fragment += static_cast<char>(value);
      i += 2;
    } else {
      fragment += reference[i];
    }
  }
  return fragment;
}

}  // namespace cohort::reward
