#include "policy/chat/jinja/interpreter.h"

#include <algorithm>

#include "base/error.h"
#include "policy/chat/jinja/globals.h"
#include "policy/chat/jinja/lexer.h"
#include "policy/chat/jinja/loop.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {

std::string Interpreter::Render(const Dict& variables) {
  std::string output;
  output_ = &output;
  try {
    auto globals = std::make_shared<Scope>();
    for (const auto& [name, value] : Globals()) globals->variables[name] = value;
    for (const auto& [name, value] : variables.items) globals->variables[*name.AsString()] = value;
    auto scope = std::make_shared<Scope>();
    scope->outer = std::move(globals);
    Execute(program_, scope);
  } catch (const TemplateError& error) {
    RefuseTemplate(line_, error.message);
  }
  return output;
}

void Interpreter::Step(int64_t count) {
  steps_ += count;
  if (steps_ > limits_.steps) {
    throw TemplateError{"the template takes more than " + std::to_string(limits_.steps) + " steps"};
  }
}

void Interpreter::Charge(size_t bytes) {
  bytes_ += bytes;
  if (bytes > limits_.output_bytes || bytes_ > limits_.total_bytes) {
    throw TemplateError{"the template makes more text than " +
                        std::to_string(limits_.output_bytes) + " bytes"};
  }
}

std::string Interpreter::Charged(std::string text) {
  Charge(text.size());
  return text;
}

void Interpreter::Write(const std::string& text) {
  if (output_->size() + text.size() > limits_.output_bytes) {
    throw TemplateError{"the rendering is longer than " + std::to_string(limits_.output_bytes) +
                        " bytes"};
  }
  *output_ += text;
}

std::string Interpreter::Capture(const Body& body, const ScopePtr& scope) {
  std::string captured;
  std::string* const outside = std::exchange(output_, &captured);
  ++captures_;
  Execute(body, scope);  // what it throws ends the rendering
  --captures_;
  output_ = outside;
  return Charged(std::move(captured));
}

Value Interpreter::Call(const Value& callee, const Arguments& arguments) {
  const Callable* callable = callee.AsCallable();
  if (const LoopState* loop = callee.AsLoop()) return RecurseLoop(*loop, arguments);
  if (callable == nullptr) {
    if (const auto* undefined = std::get_if<Undefined>(&callee.data)) {
      throw TemplateError{"'" + undefined->name + "' is undefined and cannot be called"};
    }
    throw TemplateError{std::string("'") + callee.TypeName() + "' cannot be called"};
  }
  return callable->call(*this, arguments);
}

std::vector<Value> Interpreter::Iterate(const Value& value) {
  std::vector<Value> items;
  if (const List* list = value.AsList()) {
    const size_t taken = list->taken == nullptr ? 0 : *list->taken;
    items.assign(list->items.begin() + static_cast<ptrdiff_t>(taken), list->items.end());
    if (list->taken != nullptr) *list->taken = list->items.size();
  } else if (const Dict* dict = value.AsDict()) {
    for (const auto& [key, item] : dict->items) items.push_back(key);
  } else if (const std::string* text = value.AsString()) {
    for (std::string& character : Characters(*text)) items.push_back(std::move(character));
  } else if (!value.IsUndefined()) {
    throw TemplateError{std::string("'") + value.TypeName() + "' cannot be iterated over"};
  }
  Step(static_cast<int64_t>(items.size() / 16));
  Charge(items.size() * sizeof(Value));
  return items;
}

Interpreter::Flow Interpreter::Execute(const Body& body, const ScopePtr& scope) {
  for (const auto& statement : body) {
    const Flow flow = Execute(*statement, scope);
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

Interpreter::Flow Interpreter::Execute(const Statement& statement, const ScopePtr& scope) {
  const DepthGuard guard(this);
  Step();
  line_ = statement.line;
  switch (statement.kind) {
    case StatementKind::kText:
      Write(statement.text);
      return Flow::kOn;
    case StatementKind::kPrint:
      Write(ToText(Evaluate(*statement.value, scope)));
      return Flow::kOn;
    case StatementKind::kIf:
      return ExecuteIf(statement, scope);
    case StatementKind::kFor:
      return ExecuteFor(statement, scope);
    case StatementKind::kSet:
    case StatementKind::kSetBlock:
      ExecuteSet(statement, scope);
      return Flow::kOn;
    case StatementKind::kMacro:
      scope->variables[statement.text] = MakeMacro(statement, statement.text, scope);
      return Flow::kOn;
    case StatementKind::kCallBlock:
      ExecuteCallBlock(statement, scope);
      return Flow::kOn;
    case StatementKind::kFilter: {
      auto inner = std::make_shared<Scope>();
      inner->outer = scope;
      Write(ToText(ApplyFilters(*statement.value, Capture(statement.body, inner), scope)));
      return Flow::kOn;
    }
    case StatementKind::kWith:
      return ExecuteWith(statement, scope);
    case StatementKind::kGeneration:
      return ExecuteGeneration(statement, scope);
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kOn;
}

Interpreter::Flow Interpreter::ExecuteIf(const Statement& statement, const ScopePtr& scope) {
  for (const Branch& branch : statement.branches) {
    if (branch.condition == nullptr || Evaluate(*branch.condition, scope).Truth()) {
      return Execute(branch.body, scope);
    }
  }
  return Flow::kOn;
}

Interpreter::Flow Interpreter::ExecuteElse(const Statement& loop, const ScopePtr& scope) {
  auto inner = std::make_shared<Scope>();
  inner->outer = scope;
  return Execute(loop.otherwise, inner);
}

Interpreter::Flow Interpreter::ExecuteFor(const Statement& statement, const ScopePtr& scope) {
  return RunLoop(statement, Evaluate(*statement.value, scope), scope, /*depth=*/1);
}

// loop(items) inside a {% for .. recursive %}: what the loop over these writes.
Value Interpreter::RecurseLoop(const LoopState& loop, const Arguments& arguments) {
  if (loop.statement == nullptr || !loop.statement->recursive) {
    throw TemplateError{"the loop must have the 'recursive' marker to be called"};
  }
  if (arguments.positional.size() != 1 || !arguments.keywords.empty()) {
    throw TemplateError{"loop(..) takes the values to go through"};
  }
  const DepthGuard guard(this);
  const Value items = arguments.positional[0];
  const Statement& statement = *loop.statement;
  const ScopePtr scope = loop.scope.lock();
  COHORT_CHECK(scope != nullptr, "the scope around a loop outlives it");
  std::string captured;
  std::string* const outside = std::exchange(output_, &captured);
  ++captures_;
  RunLoop(statement, items, scope, loop.depth + 1);
  --captures_;
  output_ = outside;
  return Charged(std::move(captured));
}

Interpreter::Flow Interpreter::RunLoop(const Statement& statement, const Value& values,
                                       const ScopePtr& scope, int depth) {
  auto loop_items = Iterate(values);
  if (statement.condition != nullptr) {
    std::erase_if(loop_items, [&](const Value& item) {
      auto inner = std::make_shared<Scope>();
      inner->outer = scope;
      Assign(statement.target, item, inner.get());
      return !Evaluate(*statement.condition, inner).Truth();
    });
  }
  if (loop_items.empty()) return ExecuteElse(statement, scope);
  const auto loop = std::make_shared<LoopState>();
  loop->items = std::move(loop_items);
  loop->statement = &statement;
  loop->scope = scope;
  loop->depth = depth;
  bool any_finished = false;  // Jinja2's else also follows a loop that only breaks or continues
  for (loop->index0 = 0; loop->index0 < loop->items.size(); ++loop->index0) {
    Step();
    auto inner = std::make_shared<Scope>();
    inner->outer = scope;
    inner->variables["loop"] = Value(std::shared_ptr<const LoopState>(loop));
    Assign(statement.target, loop->items[loop->index0], inner.get());
    const Flow flow = Execute(statement.body, inner);
    if (flow == Flow::kBreak) break;
    any_finished = any_finished || flow == Flow::kOn;
  }
  return any_finished ? Flow::kOn : ExecuteElse(statement, scope);
}

void Interpreter::Assign(const Target& target, const Value& value, Scope* scope) {
  if (!target.name.empty()) {
    scope->variables[target.name] = value;
    return;
  }
  const std::vector<Value> items = Iterate(value);
  if (items.size() != target.parts.size()) {
    throw TemplateError{std::to_string(items.size()) + " values cannot be assigned to " +
                        std::to_string(target.parts.size()) + " names"};
  }
  for (size_t i = 0; i < items.size(); ++i) Assign(target.parts[i], items[i], scope);
}

void Interpreter::ExecuteSet(const Statement& statement, const ScopePtr& scope) {
  Value value;
  if (statement.kind == StatementKind::kSet) {
    value = Evaluate(*statement.value, scope);
  } else {
    auto inner = std::make_shared<Scope>();
    inner->outer = scope;
    value = Capture(statement.body, inner);
    if (statement.value != nullptr) value = ApplyFilters(*statement.value, value, scope);
  }
  if (statement.attribute.empty()) return Assign(statement.target, value, scope.get());
  const Value target = Lookup(statement.target.name, scope);
  Dict* space = target.AsDict();
  if (space == nullptr || !space->is_namespace) {
    throw TemplateError{"'" + statement.target.name + "' is no namespace; only those have " +
                        "attributes that can be set"};
  }
  value.NestingInside();  // refuses what no container may hold
  if (statement.attribute.starts_with('_')) {
    throw TemplateError{"a namespace cannot hold '" + statement.attribute +
                        "': no name may begin with _"};
  }
  space->Set(Value(statement.attribute), std::move(value));
}

Value Interpreter::MakeMacro(const Statement& statement, const std::string& name,
                             const ScopePtr& scope) {
  // Weak: the macro is itself a variable of that scope.
  return Callable{name,
                  [&statement, name, weak = std::weak_ptr<Scope>(scope)](
                      Interpreter& interpreter, const Arguments& arguments) {
                    const ScopePtr closure = weak.lock();
                    if (closure == nullptr) {
                      throw TemplateError{"'" + name + "' is called outside of where it was made"};
                    }
                    return interpreter.RunMacro(statement, closure, arguments);
                  },
                  /*is_macro=*/true};
}

Value Interpreter::RunMacro(const Statement& statement, const ScopePtr& closure,
                            const Arguments& arguments) {
  const DepthGuard guard(this);
  auto scope = std::make_shared<Scope>();
  scope->outer = closure;
  const auto& parameters = statement.parameters;
  if (arguments.positional.size() > parameters.size() && !statement.takes_varargs) {
    throw TemplateError{"'" + statement.text + "' takes " + std::to_string(parameters.size()) +
                        " arguments, not " + std::to_string(arguments.positional.size())};
  }
  List varargs{{}, /*is_tuple=*/true};
  for (size_t i = parameters.size(); i < arguments.positional.size(); ++i) {
    varargs.items.push_back(arguments.positional[i]);
  }
  if (statement.takes_varargs) scope->variables["varargs"] = std::move(varargs);
  Dict kwargs;
  for (const auto& keyword : arguments.keywords) {
    const std::string& name = keyword.first;
    const bool known = std::any_of(parameters.begin(), parameters.end(),
                                   [&](const Parameter& p) { return p.name == name; });
    if (!known && name == "caller" && !statement.takes_caller) {
      throw TemplateError{"'" + statement.text +
                          "' is called by a call block, but has no caller()"};
    }
    if (!known && name != "caller" && statement.takes_kwargs) {
      kwargs.Set(Value(name), keyword.second);
      continue;
    }
    if (!known && name != "caller") {
      throw TemplateError{"'" + statement.text + "' has no parameter '" + name + "'"};
    }
    if (name == "caller") scope->variables[name] = keyword.second;
  }
  if (statement.takes_kwargs) scope->variables["kwargs"] = std::move(kwargs);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    const Value* given = arguments.Get(i, parameter.name);
    Value value = Undefined{parameter.name};
    if (given != nullptr) {
      value = *given;
    } else if (parameter.value != nullptr) {
      value = Evaluate(*parameter.value, scope);
    }
    scope->variables[parameter.name] = std::move(value);
  }
  return Capture(statement.body, scope);
}

void Interpreter::ExecuteCallBlock(const Statement& statement, const ScopePtr& scope) {
  const Value callee = Evaluate(*statement.value->operands[0], scope);
  Arguments arguments = EvaluateArguments(*statement.value, scope);
  arguments.keywords.emplace_back("caller", MakeMacro(statement, "caller", scope));
  Write(ToText(Call(callee, arguments)));
}

Interpreter::Flow Interpreter::ExecuteGeneration(const Statement& statement,
                                                 const ScopePtr& scope) {
  auto inner = std::make_shared<Scope>();
  inner->outer = scope;
  const size_t begin = output_->size();
  const Flow flow = Execute(statement.body, inner);
  if (captures_ == 0) generated_.push_back({begin, output_->size()});
  lost_generation_ = lost_generation_ || captures_ > 0;
  return flow;
}

Interpreter::Flow Interpreter::ExecuteWith(const Statement& statement, const ScopePtr& scope) {
  auto inner = std::make_shared<Scope>();
  inner->outer = scope;
  for (const Parameter& parameter : statement.parameters) {
    inner->variables[parameter.name] = Evaluate(*parameter.value, scope);
  }
  return Execute(statement.body, inner);
}

}  // namespace cohort::policy::jinja
