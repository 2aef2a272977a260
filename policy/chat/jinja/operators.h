#pragma once

#include <string>

#include "policy/chat/jinja/interpreter.h"

namespace cohort::policy::jinja {

// Python's + - * / // % ** and Jinja's ~. Throws TemplateError for types that do not fit.
Value Binary(Interpreter& interpreter, const std::string& op, const Value& a, const Value& b);

Value Negate(const Value& value);

// `needle in haystack`.
bool Contains(const Value& haystack, const Value& needle);

// haystack[key]; undefined when it is not there.
Value Item(const Value& container, const Value& key);

// value[start:stop:step], null where left out.
Value Slice(Interpreter& interpreter, const Value& value, const Value* start, const Value* stop,
            const Value* step);

// "%s is %.2f" % (a, b), or % of a dict for "%(name)s": flags, width, precision and the conversions
// s r a d i u f F e E g G x X o c %.
Value FormatPercent(Interpreter& interpreter, const Value& format, const Value& values);

// "{} {name:>10}".format(..): fields by place or name with .attribute and [index], !r and !s, and
// format specifications of texts and numbers.
std::string FormatBraces(const std::string& format, const Arguments& arguments);

}  // namespace cohort::policy::jinja
