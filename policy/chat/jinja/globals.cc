#include "policy/chat/jinja/globals.h"

#include <ctime>

#include "policy/chat/jinja/interpreter.h"

namespace cohort::policy::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // Jinja2's sandbox has the same

Value Range(Interpreter& interpreter, const Arguments& arguments) {
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3) throw TemplateError{"range takes 1 to 3 arguments"};
  const int64_t start = given.size() == 1 ? 0 : given[0].ToInteger();
  const int64_t stop = given.size() == 1 ? given[0].ToInteger() : given[1].ToInteger();
  const int64_t step = given.size() == 3 ? given[2].ToInteger() : 1;
  if (step == 0) throw TemplateError{"range's step cannot be 0"};
  List list;
  int64_t at = start;
  while (step > 0 ? at < stop : at > stop) {
    if (static_cast<int64_t>(list.items.size()) >= kMaxRange) {
      throw TemplateError{"a range is longer than " + std::to_string(kMaxRange)};
    }
    list.items.emplace_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  interpreter.Charge(list.items.size() * sizeof(Value));
  return list;
}

Dict CollectKeywords(const Arguments& arguments) {
  Dict dict;
  if (!arguments.positional.empty()) {
    const Dict* first = arguments.positional[0].AsDict();
    if (first == nullptr) throw TemplateError{"expected a dict or named arguments"};
    dict.items = first->items;
  }
  for (const auto& [name, value] : arguments.keywords) dict.Set(name, value);
  return dict;
}

Value MakeNamespace(Interpreter&, const Arguments& arguments) {
  Dict dict = CollectKeywords(arguments);
  dict.is_namespace = true;
  return dict;
}

Value MakeDict(Interpreter&, const Arguments& arguments) { return CollectKeywords(arguments); }

Value RaiseException(Interpreter&, const Arguments& arguments) {
  const Value* message = arguments.Get(0, "message");
  throw TemplateError{message == nullptr ? "the template refuses these messages"
                                         : ToText(*message)};
}

Value StrftimeNow(Interpreter&, const Arguments& arguments) {
  const Value* format = arguments.Get(0, "format");
  if (format == nullptr || format->AsString() == nullptr || format->AsString()->size() > 1000) {
    throw TemplateError{"strftime_now needs a format"};
  }
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[8192];
  const size_t length = std::strftime(text, sizeof(text), format->AsString()->c_str(), &local);
  return std::string(text, length);
}

}  // namespace

const std::vector<std::pair<std::string, Value>>& Globals() {
  static const std::vector<std::pair<std::string, Value>> globals = {
      {"range", Callable{"range", Range}},
      {"namespace", Callable{"namespace", MakeNamespace}},
      {"dict", Callable{"dict", MakeDict}},
      {"raise_exception", Callable{"raise_exception", RaiseException}},
      {"strftime_now", Callable{"strftime_now", StrftimeNow}},
  };
  return globals;
}

}  // namespace cohort::policy::jinja
