#include "policy/chat/jinja/known_names.h"

#include <algorithm>
#include <array>

namespace cohort::policy::jinja {
namespace {

// jinja2/filters.py, FILTERS.
constexpr std::array<std::string_view, 54> kFilters = {
    "abs",    "attr",       "batch",       "capitalize", "center",   "count",
    "d",      "default",    "dictsort",    "e",          "escape",   "filesizeformat",
    "first",  "float",      "forceescape", "format",     "groupby",  "indent",
    "int",    "items",      "join",        "last",       "length",   "list",
    "lower",  "map",        "max",         "min",        "pprint",   "random",
    "reject", "rejectattr", "replace",     "reverse",    "round",    "safe",
    "select", "selectattr", "slice",       "sort",       "string",   "striptags",
    "sum",    "title",      "tojson",      "trim",       "truncate", "unique",
    "upper",  "urlencode",  "urlize",      "wordcount",  "wordwrap", "xmlattr"};

}  // namespace

bool IsFilterOfJinja(std::string_view name) {
  return std::find(kFilters.begin(), kFilters.end(), name) != kFilters.end();
}

std::string UnknownFilter(const std::string& name) {
  return "filter '" + name + "' is not " + (IsFilterOfJinja(name) ? "supported" : "known");
}

}  // namespace cohort::policy::jinja
