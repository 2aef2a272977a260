// Calls and asserts, which run outside the box: what travels, and what equals what.

#include "tests/reward/code/judge_case.h"

namespace cohort::reward::judge {
namespace {

class CodeCalls : public SandboxTest {
 protected:
  static std::string Call(const std::string& code, const Json& args, const Json& expected,
                          const std::string& compare = "") {
    Json columns = {{"mode", "call"},
                    {"entry", "f"},
                    {"tests", Json::array({{{"args", args}, {"expected", expected}}})}};
    if (!compare.empty()) columns["compare"] = compare;
    return VerdictOf(code, columns);
  }
};

TEST_F(CodeCalls, PlainValuesComeBackAsTheyAre) {
  const std::string identity = "def f(x): return x";
  for (const Json& value : Json::array({nullptr,
                                        true,
                                        0,
                                        -5,
                                        9007199254740993,
                                        1.5,
                                        1e300,
                                        "",
                                        "h\u00e9\n\u0000x",
                                        Json::array(),
                                        Json::object(),
                                        {1, {2, {3, "x"}}},
                                        {{"a", {1, nullptr}}, {"", false}}})) {
    EXPECT_EQ(Call(identity, Json::array({value}), value), "accepted") << value.dump();
  }
  EXPECT_EQ(Call("def f(): return '\\ud800'", Json::array(), "x"), "wrong_answer");
}

TEST_F(CodeCalls, EqualityIsPythons) {
  EXPECT_EQ(Call("def f(): return 1.0", Json::array(), 1), "accepted");
  EXPECT_EQ(Call("def f(): return True", Json::array(), 1), "accepted");
  EXPECT_EQ(Call("def f(): return '1'", Json::array(), 1), "wrong_answer");
  EXPECT_EQ(Call("def f(): return (1, 2)", Json::array(), {1, 2}), "wrong_answer");
  EXPECT_EQ(Call("def f(): return {1, 2}", Json::array(), {1, 2}), "wrong_answer");
  EXPECT_EQ(Call("def f(): return [1, 2, 3]", Json::array(), {1, 2}), "wrong_answer");
  EXPECT_EQ(Call("def f(): return float('nan')", Json::array(), nullptr), "wrong_answer");
  EXPECT_EQ(Call("def f(): pass", Json::array(), nullptr), "accepted");
  EXPECT_EQ(Call("def f(): return 0.1 + 0.2", Json::array(), 0.3), "wrong_answer");
}

TEST_F(CodeCalls, KeysAreComparedAsJsonHasThem) {
  EXPECT_EQ(Call("def f(): return {1: 'a', None: 'b', True: 'c'}", Json::array(),
                 {{"null", "b"}, {"1", "c"}}),
            "accepted")
      << "in Python True is the key 1";
  EXPECT_EQ(Call("def f(): return {1: 2, '1': 2}", Json::array(), {{"1", 2}}), "wrong_answer");
  EXPECT_EQ(Call("def f(): return {(1,): 2}", Json::array(), {{"(1,)", 2}}), "wrong_answer");
}

TEST_F(CodeCalls, ComparisonsOfTheDataset) {
  EXPECT_EQ(Call("def f(): return ((1, 2), [3])", Json::array(), {{1, 2}, {3}}, "sequence_lenient"),
            "accepted");
  EXPECT_EQ(Call("def f(): return {1, 2}", Json::array(), {1, 2}, "sequence_lenient"),
            "wrong_answer");
  EXPECT_EQ(Call("def f(): return [0.1 + 0.2, 1]", Json::array(), {0.3, 1.0000001}, "float:1e-6"),
            "accepted");
  EXPECT_EQ(Call("def f(): return float('nan')", Json::array(), 0.3, "float:1e6"), "wrong_answer");
  EXPECT_EQ(Call("def f(): return 10 ** 400", Json::array(), 0.3, "float:1e-6"), "wrong_answer");
}

TEST_F(CodeCalls, AToleranceTakesTuplesForListsAndNoIntegerForAnother) {
  const auto call = [](const std::string& value, const Json& expected) {
    return Call("def f(): return " + value, Json::array(), expected, "float:1e-6");
  };
  EXPECT_EQ(call("(0.1 + 0.2, 1.0)", {0.3, 1.0}), "accepted");
  EXPECT_EQ(call("[(0.1 + 0.2,)]", Json::array({Json::array({0.3})})), "accepted");
  EXPECT_EQ(call("{1, 2}", {1, 2}), "wrong_answer");
  EXPECT_EQ(call("1000001", 1000000), "wrong_answer");
  EXPECT_EQ(call("1000000.5", 1000000), "wrong_answer") << "it rounds to another, or as well";
  EXPECT_EQ(call("1000000.2", 1000000), "accepted");
  EXPECT_EQ(call("1000001", 1000000.5), "accepted") << "no integer is expected";
}

TEST_F(CodeCalls, ProgramsTakeTheLibraryForGrantedAsLeetCodesDo) {
  const auto call = [](const std::string& body, const Json& arg, const Json& expected) {
    return Call(body, Json::array({arg}), expected);
  };
  EXPECT_EQ(call("class Solution:\n    def f(self, x: Optional[int]) -> Dict[str, List[int]]:\n"
                 "        d = defaultdict(list)\n        d['a'].append(x)\n        return d",
                 3, {{"a", {3}}}),
            "accepted");
  EXPECT_EQ(
      call("def f(x):\n    h = []\n    heappush(h, x)\n    heapq.heappush(h, 1)\n    return h", 3,
           {1, 3}),
      "accepted");
  EXPECT_EQ(call("def f(x): return bisect_left(x, 2) + bisect.bisect(x, 2)", {1, 2, 3}, 3),
            "accepted");
  EXPECT_EQ(call("class Solution:\n    def f(self, x): return bisect(x, 1)", {1}, 1), "accepted");
  EXPECT_EQ(call("@cache\ndef f(n): return n if n < 2 else f(n - 1) + f(n - 2)", 30, 832040),
            "accepted");
  EXPECT_EQ(call("def f(n): return sqrt(n) + math.pi - pi + gcd(4, 6) + comb(4, 2)", 4, 10.0),
            "accepted");
  EXPECT_EQ(call("def f(s): return re.sub('a', 'b', s) + string.ascii_lowercase[0]", "ca", "cba"),
            "accepted");
  EXPECT_EQ(call("def f(x): return pow(2, 3, 5) + sum(x)", {1}, 4), "accepted")
      << "builtins are not math's";
  EXPECT_EQ(call("def f(x): return no_such_name", 1, 0), "runtime_error");
  const Json search = {
      {"mode", "call"}, {"entry", "search"}, {"tests", {{{"args", {"ab"}}, {"expected", true}}}}};
  EXPECT_EQ(VerdictOf("class Solution:\n    def search(self, x): return search('b', x) is not None",
                      search),
            "accepted")
      << "the entry is the submission's, not re's";
  EXPECT_EQ(VerdictOf("def f(x: List): return x[0]", AssertTests({"assert f([1]) == 1"})),
            "runtime_error")
      << "HumanEval's and MBPP's programs bring their own";
}

TEST_F(CodeCalls, TheSetupOfACallComesBeforeTheProgram) {
  Json columns = {{"mode", "call"},
                  {"entry", "f"},
                  {"setup", "from typing import *\ndef twice(x): return 2 * x\n"},
                  {"tests", {{{"args", {3}}, {"expected", 6}}}}};
  const char* const code = "class Solution:\n    def f(self, x: Optional[int]): return twice(x)";
  EXPECT_EQ(VerdictOf(code, columns), "accepted");
  EXPECT_EQ(VerdictOf("def f(x): return x", columns), "wrong_answer");
  columns["entry"] = "twice";
  EXPECT_EQ(VerdictOf("x = 1", columns), "runtime_error") << "the setup is no solution";
  for (const char* const bad : {"def twice(x: return 1", "import no_such_module", "1 / 0"}) {
    columns["setup"] = bad;
    EXPECT_EQ(GradeCode(code, columns).status, STATUS_UNPARSEABLE) << bad;
  }
}

TEST_F(CodeCalls, SubclassesOfPlainTypesAreTheirContent) {
  EXPECT_EQ(Call("import collections\ndef f(): return collections.Counter('aab')", Json::array(),
                 {{"a", 2}, {"b", 1}}),
            "accepted");
  EXPECT_EQ(Call("import collections\ndef f(): return collections.OrderedDict(a=1)", Json::array(),
                 {{"a", 1}}),
            "accepted");
  EXPECT_EQ(
      Call("import enum\nclass C(enum.IntEnum): A = 3\ndef f(): return C.A", Json::array(), 3),
      "accepted");
}

TEST_F(CodeCalls, AnEntryMayBeAMethod) {
  Json columns = {
      {"mode", "call"}, {"entry", "Solution.f"}, {"tests", {{{"args", {2}}, {"expected", 4}}}}};
  EXPECT_EQ(VerdictOf("class Solution:\n    def f(self, x): return x * x", columns), "accepted");
  EXPECT_EQ(VerdictOf("class Solution:\n    def g(self, x): return x * x", columns),
            "runtime_error");
  EXPECT_EQ(VerdictOf("f = 4", columns), "runtime_error");
}

TEST_F(CodeCalls, TheEntryIsFoundAsOnlineJudgesHaveIt) {
  const Json columns = {{"mode", "call"},
                        {"entry", "f"},
                        {"tests", {{{"args", {2}}, {"kwargs", {{"y", 5}}}, {"expected", 7}}}}};
  EXPECT_EQ(VerdictOf("class Solution:\n    def f(self, x, y): return x + y", columns), "accepted");
  EXPECT_EQ(VerdictOf("def f(x, y): return x + y", columns), "accepted");
  Json named = AssertTests({"assert candidate(2) == 4"});
  named["entry"] = "square";
  EXPECT_EQ(VerdictOf("def square(x): return x * x", named), "accepted");
  EXPECT_EQ(VerdictOf("def candidate(x): return 4\ndef square(x): return x", named),
            "wrong_answer");
}

TEST_F(CodeCalls, ErrorsAreRuntimeErrors) {
  EXPECT_EQ(Call("def g(): return 1", Json::array(), 1), "runtime_error");
  EXPECT_EQ(Call("f = 1", Json::array(), 1), "runtime_error");
  EXPECT_EQ(Call("def f(): raise ValueError('no')", Json::array(), 1), "runtime_error");
  EXPECT_EQ(Call("def f(x): return x", Json::array(), 1), "runtime_error");
  EXPECT_EQ(Call("import no_such_module", Json::array(), 1), "runtime_error");
  EXPECT_EQ(Call("def f(:", Json::array(), 1), "compile_error");
  EXPECT_EQ(Call("def f(): return f()", Json::array(), 1), "runtime_error");
}

TEST_F(CodeCalls, AssertsMayUseObjectsErrorsAndCallbacks) {
  const std::string code = R"(
import math
class Stack:
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x); return self
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)
class Empty(ValueError): pass
def fail(): raise Empty("nothing")
def each(g, xs): return [g(x) for x in xs]
def numbers():
    yield 1
    yield 2
def sort(x): x.sort()
RATE = 3
if __name__ == "__main__": input()
)";
  for (const char* const test :
       {"s = Stack()\ns.push(1).push(2)\nassert len(s) == 2 and s.pop() == 2 and s.items == [1]",
        "try:\n    Stack().pop()\n    assert False\nexcept IndexError: pass",
        "try:\n    fail()\n    assert False\nexcept Empty as e: assert str(e) == 'nothing'",
        "try:\n    fail()\n    assert False\nexcept ValueError: pass",
        "assert each(lambda x: x + 1, [1, 2]) == [2, 3]", "assert list(numbers()) == [1, 2]",
        "assert [n for n in numbers()] == [1, 2]", "x = [2, 1]\nsort(x)\nassert x == [1, 2]",
        "assert RATE == 3", "assert math.isclose(RATE, 3)", "assert numbers"}) {
    EXPECT_EQ(VerdictOf(code, AssertTests({test})), "accepted") << test;
  }
  for (const char* const test :
       {"assert each(lambda x: x + 1, [1, 2]) == [2, 4]", "assert list(numbers()) == [1]",
        "assert RATE == 4", "assert missing(1) == 1", "assert Stack() == Stack()",
        "assert len(Stack()) == 1", "fail()"}) {
    EXPECT_NE(VerdictOf(code, AssertTests({test})), "accepted") << test;
  }
}

TEST_F(CodeCalls, ASolutionMayBearABuiltinsNameWhenThatIsTested) {
  EXPECT_EQ(VerdictOf("def sum(a, b): return a + b", AssertTests({"assert sum(2, 3) == 5"})),
            "accepted");
  Json named = AssertTests({"assert set(sorted([1, 2])) == {3}"});
  named["entry"] = "sorted";
  EXPECT_EQ(VerdictOf("def sorted(x): return [3]\ndef set(x): return 0", named), "accepted");
  EXPECT_EQ(
      VerdictOf("def sorted(x): return [3]", AssertTests({"assert set(sorted([1, 2])) == {3}"})),
      "wrong_answer")
      << "nobody says which of the two is tested";
}

TEST_F(CodeCalls, TestsAfterABrokenOneStillRun) {
  const Grade grade = GradeCode(
      "import os\ndef f(x):\n    if x == 1: os._exit(0)\n    if x == 2: raise SystemExit\n    "
      "return x",
      AssertTests(
          {"assert f(0) == 0", "assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3"}));
  EXPECT_EQ(grade.tests->passed(), 2u);
  EXPECT_EQ(grade.tests->verdict(), "runtime_error");
}

}  // namespace
}  // namespace cohort::reward::judge
