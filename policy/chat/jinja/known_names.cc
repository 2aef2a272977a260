#include "policy/chat/jinja/known_names.h"

#include <algorithm>
#include <iterator>

namespace cohort::policy::jinja {
namespace {

struct KnownFilter {
  std::string_view name;
  std::string_view parameters;  // besides the value; "*" for those that pass theirs on
};

// jinja2/filters.py, FILTERS; tojson is transformers' own.
constexpr KnownFilter kFilters[] = {
    {"abs", ""},
    {"attr", "name"},
    {"batch", "linecount fill_with"},
    {"capitalize", ""},
    {"center", "width"},
    {"count", ""},
    {"d", "default_value boolean"},
    {"default", "default_value boolean"},
    {"dictsort", "case_sensitive by reverse"},
    {"e", ""},
    {"escape", ""},
    {"filesizeformat", "binary"},
    {"first", ""},
    {"float", "default"},
    {"forceescape", ""},
    {"format", "*"},
    {"groupby", "attribute default case_sensitive"},
    {"indent", "width first blank"},
    {"int", "default base"},
    {"items", ""},
    {"join", "d attribute"},
    {"last", ""},
    {"length", ""},
    {"list", ""},
    {"lower", ""},
    {"map", "*"},
    {"max", "case_sensitive attribute"},
    {"min", "case_sensitive attribute"},
    {"pprint", ""},
    {"random", ""},
    {"reject", "*"},
    {"rejectattr", "*"},
    {"replace", "old new count"},
    {"reverse", ""},
    {"round", "precision method"},
    {"safe", ""},
    {"select", "*"},
    {"selectattr", "*"},
    {"slice", "slices fill_with"},
    {"sort", "reverse case_sensitive attribute"},
    {"string", ""},
    {"striptags", ""},
    {"sum", "attribute start"},
    {"title", ""},
    {"tojson", "ensure_ascii indent separators sort_keys"},
    {"trim", "chars"},
    {"truncate", "length killwords end leeway"},
    {"unique", "case_sensitive attribute"},
    {"upper", ""},
    {"urlencode", ""},
    {"urlize", "trim_url_limit nofollow target rel extra_schemes"},
    {"wordcount", ""},
    {"wordwrap", "width break_long_words wrapstring break_on_hyphens"},
    {"xmlattr", "autospace"}};

const KnownFilter* Find(std::string_view name) {
  const auto found = std::find_if(std::begin(kFilters), std::end(kFilters),
                                  [&](const KnownFilter& filter) { return filter.name == name; });
  return found == std::end(kFilters) ? nullptr : found;
}

// Where the parameter stands among the names; -1 where it does not.
int PlaceOf(std::string_view parameter, std::string_view names) {
  for (int place = 0; !names.empty(); ++place) {
    const std::string_view name = names.substr(0, names.find(' '));
    if (name == parameter) return place;
    names.remove_prefix(std::min(name.size() + 1, names.size()));
  }
  return -1;
}

}  // namespace

bool IsFilterOfJinja(std::string_view name) { return Find(name) != nullptr; }

void CheckFilterArguments(const std::string& name, const Arguments& arguments) {
  const KnownFilter* const filter = Find(name);
  if (filter == nullptr || filter->parameters == "*") return;
  const std::string_view names = filter->parameters;
  const size_t count =
      names.empty() ? 0 : static_cast<size_t>(std::count(names.begin(), names.end(), ' ')) + 1;
  if (arguments.positional.size() > count) {
    throw TemplateError{"filter '" + name + "' takes at most " + std::to_string(count) +
                        " arguments"};
  }
  for (const auto& [keyword, unused] : arguments.keywords) {
    const int place = PlaceOf(keyword, names);
    if (place < 0) throw TemplateError{"filter '" + name + "' has no argument '" + keyword + "'"};
    if (static_cast<size_t>(place) < arguments.positional.size()) {
      throw TemplateError{"filter '" + name + "' is given '" + keyword + "' twice"};
    }
  }
}

std::string UnknownFilter(const std::string& name) {
  return "filter '" + name + "' is not " + (IsFilterOfJinja(name) ? "supported" : "known");
}

}  // namespace cohort::policy::jinja
