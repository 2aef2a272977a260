#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "policy/chat/jinja/syntax.h"
#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {

struct RenderLimits {
  int64_t steps = 1'000'000;
  size_t output_bytes = size_t{16} << 20;  // of the rendering, and of any one text on the way
  size_t total_bytes = size_t{256} << 20;  // of all texts and containers made on the way
  int depth = 1500;                        // of evaluation
};

// Bytes of a rendering.
struct TextSpan {
  size_t begin, end;
};

struct Scope {
  std::unordered_map<std::string, Value> variables;
  std::shared_ptr<Scope> outer;
};

// Runs a parsed template once. Owned by one thread.
class Interpreter {
 public:
  Interpreter(const Body& program, RenderLimits limits) : program_(program), limits_(limits) {}

  // kUsage with the template's line for anything that goes wrong, limits included.
  std::string Render(const Dict& variables);
  // The bytes that {% generation %} blocks wrote, in order.
  const std::vector<TextSpan>& generated() const { return generated_; }
  // One stood where its place in the rendering is not known: inside a macro, a filter or a set.
  bool lost_generation() const { return lost_generation_; }

  // For operators, filters, tests and methods.
  Value Call(const Value& callee, const Arguments& arguments);
  std::vector<Value> Iterate(const Value& value);  // Python's iter()
  void Step(int64_t count = 1);
  // Counts a text that was, or is about to be, made; returns it.
  std::string Charged(std::string text);
  void Charge(size_t bytes);

 private:
  enum class Flow { kOn, kBreak, kContinue };
  using ScopePtr = std::shared_ptr<Scope>;

  // Statements (interpreter.cc).
  Flow Execute(const Body& body, const ScopePtr& scope);
  Flow Execute(const Statement& statement, const ScopePtr& scope);
  Flow ExecuteIf(const Statement& statement, const ScopePtr& scope);
  Flow ExecuteFor(const Statement& statement, const ScopePtr& scope);
  Flow RunLoop(const Statement& statement, const Value& values, const ScopePtr& scope, int depth);
  Value RecurseLoop(const LoopState& loop, const Arguments& arguments);
  Flow ExecuteElse(const Statement& loop, const ScopePtr& scope);
  void ExecuteSet(const Statement& statement, const ScopePtr& scope);
  void ExecuteCallBlock(const Statement& statement, const ScopePtr& scope);
  Flow ExecuteWith(const Statement& statement, const ScopePtr& scope);
  Flow ExecuteGeneration(const Statement& statement, const ScopePtr& scope);
  Value MakeMacro(const Statement& statement, const std::string& name, const ScopePtr& scope);
  Value RunMacro(const Statement& statement, const ScopePtr& closure, const Arguments& arguments);
  void Assign(const Target& target, const Value& value, Scope* scope);
  std::string Capture(const Body& body, const ScopePtr& scope);
  void Write(const std::string& text);

  // Expressions (interpreter_expressions.cc).
  Value Evaluate(const Expression& expression, const ScopePtr& scope);
  Value EvaluateInner(const Expression& expression, const ScopePtr& scope);
  Value EvaluateLogic(const Expression& expression, const ScopePtr& scope);
  Value EvaluateCompare(const Expression& expression, const ScopePtr& scope);
  Value EvaluateSlice(const Expression& expression, const ScopePtr& scope);
  Value EvaluateList(const Expression& expression, const ScopePtr& scope);
  Value EvaluateDict(const Expression& expression, const ScopePtr& scope);
  Value ApplyFilters(const Expression& filters, const Value& input, const ScopePtr& scope);
  Arguments EvaluateArguments(const Expression& call, const ScopePtr& scope);
  static Value Lookup(const std::string& name, const ScopePtr& scope);

  struct DepthGuard;

  const Body& program_;
  const RenderLimits limits_;
  int line_ = 1;
  int depth_ = 0;
  int64_t steps_ = 0;
  size_t bytes_ = 0;
  std::string* output_ = nullptr;
  int captures_ = 0;  // output_ is not the rendering itself
  std::vector<TextSpan> generated_;
  bool lost_generation_ = false;
};

struct Interpreter::DepthGuard {
  explicit DepthGuard(Interpreter* interpreter) : interpreter(interpreter) {
    if (++interpreter->depth_ > interpreter->limits_.depth) {
      --interpreter->depth_;  // the destructor of a guard that threw does not run
      throw TemplateError{"the template calls itself too deeply"};
    }
  }
  ~DepthGuard() { --interpreter->depth_; }
  Interpreter* interpreter;
};

}  // namespace cohort::policy::jinja
