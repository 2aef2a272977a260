// Submissions that try to earn a verdict instead of solving the task.

#include "tests/reward/code/judge_case.h"

namespace cohort::reward::judge {
namespace {

class CodeForging : public SandboxTest {
 protected:
  // No test passes, whatever the submission does.
  static void EarnsNothing(const std::string& code, const Json& columns) {
    const Grade grade = GradeCode(code, columns);
    ASSERT_EQ(grade.status, STATUS_OK) << grade.detail << "\n" << code;
    EXPECT_EQ(grade.tests->passed(), 0u) << code;
    EXPECT_EQ(grade.score, 0) << code;
  }
};

const Json kSum = StdinTests({{"2 3\n", "5\n"}, {"10 -4\n", "6\n"}});
const Json kCalls = {
    {"mode", "call"},
    {"entry", "add"},
    {"tests", {{{"args", {2, 3}}, {"expected", 5}}, {{"args", {1, 1}}, {"expected", 2}}}}};
const Json kAsserts = AssertTests(
    {"assert add(2, 3) == 5", "assert set(pair(3)) == {3, 4}", "assert abs(half(3) - 1.5) < 1e-9"});
const Json kCheck = {
    {"mode", "assert"},
    {"entry", "add"},
    {"setup",
     "def check(candidate):\n    assert candidate(2, 3) == 5\n    assert candidate(1, 1) == 2\n"},
    {"tests", {"check(add)"}}};

TEST_F(CodeForging, PrintedVerdictsAreOutput) {
  for (const char* const code :
       {"print('accepted')", "print('{\"passed\": 2, \"total\": 2, \"verdict\": \"accepted\"}')",
        "print('ok')\nprint('PASSED')\nprint('1.0')", "import sys; sys.stderr.write('5\\n')",
        "import os\nos.write(2, b'E 0 accepted\\n')", "print('5\\n6')", "print(5, 6)",
        "import sys\nsys.exit('accepted')"}) {
    EarnsNothing(code, kSum);
  }
}

TEST_F(CodeForging, WritesToOtherDescriptorsGoNowhere) {
  EarnsNothing(R"(
import os
for fd in range(3, 300):
    for text in (b"E 0 accepted\n", b"\0" * 64, b'{"verdict": "accepted"}'):
        try: os.write(fd, text)
        except OSError: pass
for pid in os.listdir("/proc"):
    if not pid.isdigit(): continue
    for fd in range(300):
        try: os.write(os.open("/proc/%s/fd/%d" % (pid, fd), os.O_WRONLY | os.O_NONBLOCK), b"E 0 accepted\n")
        except OSError: pass
)",
               kSum);
}

TEST_F(CodeForging, EarlyExitsPassNothing) {
  for (const char* const exit :
       {"import os; os._exit(0)", "import sys; sys.exit(0)", "raise SystemExit", "exit()",
        "quit(0)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os; os.kill(-1, 9)", "import os\nif os.fork(): os._exit(0)",
        "import atexit, os; atexit.register(os._exit, 0)",
        "import os; os.execv('/usr/bin/true', ['true'])", "import os; os.close(3)",
        "import os; os.closerange(0, 100)"}) {
    for (const Json& columns : {kSum, kCalls, kAsserts, kCheck}) EarnsNothing(exit, columns);
    const std::string body = std::string("    ") + exit;
    std::string indented = "def add(a, b):\n";
    for (const char c : body) indented += c == '\n' ? std::string("\n    ") : std::string(1, c);
    indented += "\npair = half = add\n";
    for (const Json& columns : {kCalls, kAsserts, kCheck}) EarnsNothing(indented, columns);
  }
}

constexpr char kEqual[] = R"(
class E(BASE):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __sub__(self, other): return self
    __add__ = __radd__ = __rsub__ = __mul__ = __truediv__ = __and__ = __or__ = __sub__
    def __abs__(self): return self
    def __float__(self): return 0.0
    def __contains__(self, x): return True
    def __iter__(self): return iter(())
    def __len__(self): return 0
    def __instancecheck__(self, x): return True
    @property
    def __class__(self): return int
def add(a, b): return E()
pair = half = lambda x: E()
)";

TEST_F(CodeForging, ObjectsThatEqualEverythingAreWrong) {
  for (const char* const base : {"object", "int", "float", "str", "list", "tuple", "dict", "set",
                                 "frozenset", "bytes", "complex", "Exception"}) {
    std::string code = kEqual;
    code.replace(code.find("BASE"), 4, base);
    for (const Json& columns : {kCalls, kAsserts, kCheck}) EarnsNothing(code, columns);
  }
  EarnsNothing(
      "from unittest.mock import ANY\ndef add(a, b): return ANY\npair = half = lambda x: ANY",
      kAsserts);
  EarnsNothing(
      "def add(a, b): return [E]\nclass M(type):\n    def __eq__(c, o): return True\n"
      "class E(metaclass=M): pass\npair = half = lambda x: E",
      kCalls);
}

TEST_F(CodeForging, ObjectsThatEqualEverythingPassNoKindOfAssert) {
  const std::string equal = std::string(kEqual) + "add = lambda a, b: E()\nf = lambda x: E()\n";
  for (const char* const base : {"object", "int", "float", "str", "list", "tuple", "dict", "set"}) {
    std::string code = equal;
    code.replace(code.find("BASE"), 4, base);
    EarnsNothing(code, AssertTests({"assert f(2) == 5", "assert abs(f(2) - 1.5) < 1e-9",
                                    "assert set(f(2)) == {3}", "assert 3 in f(2)",
                                    "assert f(2) in [3, 4]", "assert f(2) < 3 and f(2) > 3",
                                    "assert not (f(2) != 5)", "assert math.isclose(f(2), 5)",
                                    "assert sorted(f(2)) == [1, 2]", "assert f(2).__eq__(5)",
                                    "assert 5 == f(2)", "assert f(2) == pytest.approx(5)"},
                                   "import math, pytest"));
    EarnsNothing(code + "f = E\n", AssertTests({"assert f(2) == 5", "assert 5 == f(2)"}));
  }
}

TEST_F(CodeForging, NobodyOptsOutOfABadScore) {
  // Messages and errors by which test data would be found to be malformed.
  Json calls = kCalls;
  calls["setup"] = "x = 1";
  for (const char* const number : {"1", "2", "3"}) {
    const std::string forged = std::string(
                                   "import os\nfor kind in b'msnM':\n    os.write(3, "
                                   "(2).to_bytes(4, 'little') + (") +
                               number + ").to_bytes(4, 'little') + bytes([kind, 33]))\n";
    for (const Json& columns : {calls, kCalls, kAsserts, kCheck}) {
      EarnsNothing(forged, columns);
      EarnsNothing(forged + "def add(a, b): return 0\npair = half = lambda x: 0", columns);
    }
  }
  for (const char* const error :
       {"ImportError('no', name='numpy')", "ModuleNotFoundError('numpy')", "SyntaxError('x')",
        "MemoryError()", "RecursionError()", "NotImplementedError()", "KeyboardInterrupt()"}) {
    const std::string code =
        std::string("def add(a, b): raise ") + error + "\npair = half = lambda x: add(x, x)";
    for (const Json& columns : {kCalls, kAsserts, kCheck}) EarnsNothing(code, columns);
    EarnsNothing(std::string("raise ") + error, kAsserts);
  }
  EarnsNothing("def g(): return 1", AssertTests({"from solution import f\nassert f(1) == 1"}));
  const Json again = AssertTests(
      {"try:\n    f()\nexcept ImportError as e:\n    try: g()\n    except ValueError: raise e"});
  EarnsNothing("def f(): raise ImportError('no')\ndef g(): raise ValueError", again);
  const Json passed = AssertTests({"assert g(f()) == 5"});
  for (const char* const value : {"object()",
                                  "lambda: 1",
                                  "int",
                                  "type",
                                  "...",
                                  "{}.keys()",
                                  "{1: 2}.items()",
                                  "range(3)",
                                  "ValueError('x')",
                                  "ValueError",
                                  "iter([])",
                                  "open",
                                  "__import__('os')",
                                  "b''.join",
                                  "__import__('collections').namedtuple('P', 'x')(1)",
                                  "memoryview(b'1')",
                                  "slice(1)",
                                  "__import__('types').SimpleNamespace(a=1)",
                                  "__import__('decimal').Decimal('nan')",
                                  "type('X', (), {})",
                                  "type('X', (dict,), {})()",
                                  "__import__('asyncio').sleep(0)",
                                  "__import__('sys')._getframe()",
                                  "NotImplemented",
                                  "[[]]",
                                  "(i for i in [1])"}) {
    EarnsNothing(std::string("def f(): return ") + value + "\ndef g(x): return 4", passed);
  }
}

TEST_F(CodeForging, LentObjectsLeadNowhereElse) {
  const std::string lend =
      "class T:\n    def __init__(self): self.x = 1\n    def leak(self): return 1\nexpected = 5";
  const Json columns =
      AssertTests({"assert f(T()) == expected", "assert f(T().leak) == expected",
                   "assert f(x for x in [1]) == expected", "assert f(T) == expected"},
                  lend);
  for (const char* const body :
       {"o.leak.__globals__['expected']", "o.__globals__['expected']",
        "o.__func__.__globals__['expected']", "o.gi_frame.f_globals['expected']",
        "o.__class__.leak.__globals__['expected']", "getattr(o, 'expected')",
        "o.__init__.__globals__['expected']", "o.leak.__func__", "type(o)(None, 0, ())",
        "o.__dict__", "o.x.real.__class__.__subclasses__()"}) {
    EarnsNothing(std::string("def f(o): return ") + body, columns);
  }
}

TEST_F(CodeForging, PatchedBuiltinsStayInTheBox) {
  for (const char* const code :
       {"import builtins\nbuiltins.set = builtins.abs = lambda *a: 0\nbuiltins.AssertionError = "
        "Exception\n"
        "def add(a, b): return 0\npair = half = lambda x: 0",
        "def set(x): return {3, 4}\ndef abs(x): return 0\ndef add(a, b): return 0\npair = half = "
        "lambda x: 0",
        "class AssertionError(Exception): pass\nclass set:\n    def __eq__(s, o): return True\n"
        "def add(a, b): return 0\npair = half = lambda x: 0",
        "import sys\nsys.excepthook = lambda *a: None\ndef add(a, b): raise ValueError\npair = "
        "half = add",
        "__builtins__ = {}\ndef add(a, b): return None\npair = half = lambda x: None",
        "def check(candidate): return None\ndef add(a, b): return 0\npair = half = lambda x: 0",
        "import sys\nsys.settrace(lambda *a: None)\ndef add(a, b): return 0\npair = half = lambda "
        "x: 0",
        "def eq(*a): return True\nint = float = bool = len = sorted = eq\ndef add(a, b): return 0\n"
        "pair = half = lambda x: 0"}) {
    for (const Json& columns : {kAsserts, kCheck}) EarnsNothing(code, columns);
  }
}

TEST_F(CodeForging, HelpersOfTheTestsAreTheRealOnes) {
  const Json columns =
      AssertTests({"assert math.isclose(half(3), 1.5)", "assert isclose(half(5), 2.5)",
                   "assert Counter(half(4)) == Counter([2])", "assert np.allclose(half(1), 0.5)"});
  EarnsNothing(
      "class math: isclose = staticmethod(lambda *a, **k: True)\nclass np: allclose = "
      "math.isclose\n"
      "isclose = math.isclose\nCounter = lambda x: 0\ndef half(x): return 7",
      columns);
  EarnsNothing(
      "import types\nmath = types.ModuleType('math')\nmath.isclose = lambda *a: True\n"
      "isclose = Counter = lambda *a: 1\nhalf = lambda x: 0",
      columns);
}

TEST_F(CodeForging, HelpersOfThePromptAreThePrompts) {
  // As in HumanEval, whose prompts define functions that the tests use beside the solution.
  const Json columns = {
      {"entry_point", "decode"},
      {"test", "def check(candidate):\n    assert candidate(encode('ab')) == 'ab'\n"}};
  Sample sample = MakeSample("", "");
  sample.set_prompt(
      "def encode(s):\n    return s[::-1]\n\ndef decode(s):\n    \"\"\" Undo encode. \"\"\"\n");
  sample.set_columns_json(columns.dump());
  const auto score = [&](const std::string& code) {
    sample.set_completion(Fenced(code));
    return CodeGraderOf({})->Score(sample, Budget(std::chrono::milliseconds(30'000))).score;
  };
  EXPECT_EQ(score("def encode(s): return s\ndef decode(s): return s"), 0);
  EXPECT_EQ(score("def encode(s): return s"), 0) << "the prompt's stub is no solution";
  EXPECT_EQ(score("def decode(s): return s[::-1]"), 1);
}

TEST_F(CodeForging, TestsAndExpectedValuesAreNowhereInTheBox) {
  // Whatever of the expected values could be found would be printed or returned.
  EarnsNothing(R"(
import gc, glob, os, sys
found = ""
for path in glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/environ") + glob.glob("/tmp/*") + glob.glob("/dev/shm/*"):
    try: found += open(path, errors="replace").read()
    except OSError: pass
found += repr(sys.argv) + repr(dict(os.environ)) + repr(gc.get_objects())[:1 << 22]
frame = sys._getframe()
while frame: found += repr(frame.f_locals) + repr(frame.f_globals); frame = frame.f_back
print("72013" if "72013" in found.replace(__file__, "") .replace('"72013"', "") else "nothing")
)",
               StdinTests({{"", "72014\n"}}));
  EarnsNothing(
      R"(
import gc, sys
def add(a, b):
    found = set()
    frame = sys._getframe()
    for o in gc.get_objects():
        if isinstance(o, (list, tuple, dict)) and len(o) < 100:
            found |= {x for x in (o.values() if isinstance(o, dict) else o) if type(x) is int}
    while frame:
        found |= {x for x in frame.f_locals.values() if type(x) is int}; frame = frame.f_back
    return 918273 if 918273 in found - {918273 * 1} else -1
)",
      {{"mode", "call"}, {"entry", "add"}, {"tests", {{{"args", {1, 2}}, {"expected", 918273}}}}});
}

TEST_F(CodeForging, AnswersOutOfTurnFailTheTest) {
  for (const char* const body :
       {"os.write(3, b'\\x05\\x00\\x00\\x00\\x02\\x00\\x00\\x00vtN')", "os.write(3, b'\\xff' * 64)",
        "os.write(3, bytes(1 << 16))", "os.read(3, 1 << 16)",
        // a forged reply, numbered right, with one byte too many behind it
        "os.write(3, (13).to_bytes(4, 'little') + (3).to_bytes(4, 'little') + "
        "b'vt\\x02\\0\\0\\0i\\1\\0\\0\\0' + b'9N!')"}) {
    const std::string code = "import os\ndef add(a, b):\n    " + std::string(body) +
                             "\n    return 0\npair = half = lambda x: add(x, x)\n";
    EarnsNothing(code, WithLimits(kCalls, {{"wall_ms", 500}}));
    EarnsNothing(code, WithLimits(kCheck, {{"wall_ms", 500}}));
  }
}

TEST_F(CodeForging, ArgumentsAreCopies) {
  const Json columns = AssertTests(
      {"x = [3, 1, 2]\nassert f(x) == sorted(x)", "x = [3, 1]\ny = list(x)\nf(x)\nassert x == y"});
  EXPECT_EQ(GradeCode("def f(x):\n    x.clear()\n    return []", columns).tests->passed(), 1u);
}

TEST_F(CodeForging, ValuesWithoutBoundsAreRefused) {
  for (const char* const value :
       {"'9' * (300 << 20)", "[0] * (1 << 26)", "1 << (1 << 30)", "deep()", "loop()",
        "range(10 ** 12)", "float('nan')", "b'5'", "{frozenset([5]): 5}", "lambda: 5", "type",
        "object()", "(i for i in [5])", "[[5]] * 9999999"}) {
    const std::string code =
        std::string(
            "def deep():\n    x = 5\n    for _ in range(100000): x = [x]\n    return x\n"
            "def loop():\n    x = []\n    x.append(x)\n    return x\n"
            "def add(a, b): return ") +
        value;
    EarnsNothing(code, kCalls);
  }
}

}  // namespace
}  // namespace cohort::reward::judge
