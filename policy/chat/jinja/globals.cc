#include "policy/chat/jinja/globals.h"

#include <ctime>
#include <utility>

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
  list.view = "range(" + std::to_string(start) + ", " + std::to_string(stop) +
              (step == 1 ? ")" : ", " + std::to_string(step) + ")");
  return list;
}

// Python's dict(mapping or pairs, name=value ..).
Dict CollectKeywords(Interpreter& interpreter, const Arguments& arguments) {
  Dict dict;
  if (arguments.positional.size() > 1) throw TemplateError{"expected one dict or list of pairs"};
  if (!arguments.positional.empty()) {
    const Value& first = arguments.positional[0];
    if (first.AsDict() != nullptr) {
      dict.items = first.AsDict()->items;
    } else {
      for (const Value& pair : interpreter.Iterate(first)) {
        const std::vector<Value> both = interpreter.Iterate(pair);
        if (both.size() != 2) throw TemplateError{"a dict is made of pairs"};
        dict.Set(both[0], both[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.keywords) dict.Set(Value(name), value);
  return dict;
}

Value MakeNamespace(Interpreter& interpreter, const Arguments& arguments) {
  Dict dict = CollectKeywords(interpreter, arguments);
  for (const auto& [name, value] : dict.items) {
    if (name.AsString() != nullptr && name.AsString()->starts_with('_')) {
      throw TemplateError{"a namespace cannot hold '" + *name.AsString() +
                          "': no name may begin with _"};
    }
  }
  dict.is_namespace = true;
  return dict;
}

Value MakeDict(Interpreter& interpreter, const Arguments& arguments) {
  return CollectKeywords(interpreter, arguments);
}

// joiner(between): "" the first time it is called, then `between`.
Value MakeJoiner(Interpreter&, const Arguments& arguments) {
  const Value* given = arguments.Get(0, "sep");
  const Value between = given == nullptr ? Value(", ") : *given;
  return Callable{"joiner",
                  [between, used = std::make_shared<bool>(false)](Interpreter&, const Arguments&) {
                    return std::exchange(*used, true) ? between : Value("");
                  }};
}

Value MakeCycler(Interpreter&, const Arguments& arguments) {
  if (arguments.positional.empty()) throw TemplateError{"cycler needs at least one value"};
  return Cycler{arguments.positional};
}

Value RefuseLipsum(Interpreter&, const Arguments&) {
  throw TemplateError{"lipsum, which makes random text, is not supported"};
}

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
  if (format->AsString()->find("%f") != std::string::npos) {
    throw TemplateError{"strftime_now: %f is not supported"};
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
      {"joiner", Callable{"joiner", MakeJoiner}},
      {"cycler", Callable{"cycler", MakeCycler}},
      {"lipsum", Callable{"lipsum", RefuseLipsum}},
      {"raise_exception", Callable{"raise_exception", RaiseException}},
      {"strftime_now", Callable{"strftime_now", StrftimeNow}},
  };
  return globals;
}

}  // namespace cohort::policy::jinja
