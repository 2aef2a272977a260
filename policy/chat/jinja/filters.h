#pragma once

#include <map>
#include <string>
#include <string_view>

#include "policy/chat/jinja/interpreter.h"

namespace cohort::policy::jinja {

// `input | name(arguments)`.
using Filter = Value (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);

// Null when there is no such filter.
Filter FindFilter(std::string_view name);

// The parts of the table besides filters.cc: texts (text_filters.cc), lists and dicts
// (sequence_filters.cc).
using FilterTable = std::map<std::string_view, Filter>;
const FilterTable& TextFilters();
const FilterTable& SequenceFilters();

// How filters begin: Value NAME(I interpreter, V input, A arguments).
using I = Interpreter&;
using V = const Value&;
using A = const Arguments&;

// An argument that may be missing (null), or none.
bool TruthOf(const Value* argument, bool missing);
int64_t IntegerOr(const Value* argument, int64_t missing);

// A text that is HTML where the input is.
Value LikeInput(const Value& input, std::string text);

}  // namespace cohort::policy::jinja
