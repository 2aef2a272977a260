#include "policy/chat/jinja/loop.h"

namespace cohort::policy::jinja {

Value LoopAttribute(const std::shared_ptr<const LoopState>& loop, const std::string& name) {
  const int64_t index0 = static_cast<int64_t>(loop->index0);
  const int64_t length = static_cast<int64_t>(loop->items.size());
  if (name == "index") return index0 + 1;
  if (name == "index0") return index0;
  if (name == "revindex") return length - index0;
  if (name == "revindex0") return length - index0 - 1;
  if (name == "first") return index0 == 0;
  if (name == "last") return index0 == length - 1;
  if (name == "length") return length;
  if (name == "depth") return static_cast<int64_t>(loop->depth);
  if (name == "depth0") return static_cast<int64_t>(loop->depth - 1);
  if (name == "previtem") {
    return index0 > 0 ? loop->items[loop->index0 - 1] : Value(Undefined{"loop.previtem"});
  }
  if (name == "nextitem") {
    return index0 + 1 < length ? loop->items[loop->index0 + 1] : Value(Undefined{"loop.nextitem"});
  }
  if (name == "cycle") {
    return Callable{"loop.cycle", [loop](Interpreter&, const Arguments& arguments) {
                      const auto& values = arguments.positional;
                      if (values.empty()) throw TemplateError{"loop.cycle needs an argument"};
                      return values[loop->index0 % values.size()];
                    }};
  }
  if (name == "changed") {
    return Callable{"loop.changed", [loop](Interpreter&, const Arguments& arguments) {
                      auto now = std::make_shared<const List>(List{arguments.positional});
                      const bool same = loop->last_seen != nullptr && Equal(*loop->last_seen, *now);
                      loop->last_seen = std::move(now);
                      return Value(!same);
                    }};
  }
  return Undefined{"loop." + name};
}

}  // namespace cohort::policy::jinja
