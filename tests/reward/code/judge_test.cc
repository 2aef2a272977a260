// The reward `code` as a recipe uses it: languages, kinds of tests, comparisons, scores, bad data.

#include <gmock/gmock.h>

#include "base/error.h"
#include "tests/reward/code/judge_case.h"

namespace cohort::reward::judge {
namespace {

using testing::HasSubstr;

const Json kSum = StdinTests({{"1 2\n", "3\n"}, {"10 -4\n", "6\n"}, {"7 0\n", "7\n"}});
constexpr char kPythonSum[] = "a, b = map(int, input().split())\nprint(a + b)";
constexpr char kOnceRight[] = "a, b = map(int, input().split())\nprint(3)";

class CodeReward : public SandboxTest {};

TEST_F(CodeReward, PythonAndCppProgramsAreJudgedByTheirOutput) {
  EXPECT_EQ(VerdictOf(kPythonSum, kSum), "accepted");
  EXPECT_EQ(VerdictOf(kOnceRight, kSum), "wrong_answer");
  Json cpp = kSum;
  cpp["language"] = "c++";
  EXPECT_EQ(
      VerdictOf(
          "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b; }",
          cpp),
      "accepted");
  EXPECT_EQ(VerdictOf("int main() { return 1; }", cpp), "runtime_error");
  EXPECT_EQ(VerdictOf("int main() { oops }", cpp), "compile_error");
  EXPECT_EQ(VerdictOf("#include <cstdlib>\nint main() { abort(); }", cpp), "runtime_error");
}

TEST_F(CodeReward, AScoreIsAllOrTheFraction) {
  EXPECT_EQ(GradeCode(kOnceRight, kSum).score, 0);
  EXPECT_NEAR(GradeCode(kOnceRight, kSum, {{"score", "fraction"}}).score, 1.0 / 3, 1e-12);
  EXPECT_EQ(GradeCode(kPythonSum, kSum, {{"score", "fraction"}}).score, 1);
  const Grade grade = GradeCode(kOnceRight, kSum);
  EXPECT_EQ(grade.tests->passed(), 1u);
  EXPECT_EQ(grade.tests->total(), 3u);
  EXPECT_EQ(grade.tests->verdict(), "wrong_answer");
}

TEST_F(CodeReward, TestsAfterAFailureMayBeLeftOut) {
  const OptionMap early = {{"stop_early", "true"}};
  const auto begin = std::chrono::steady_clock::now();
  Json sleepers = StdinTests(std::vector<std::pair<std::string, std::string>>(50, {"", "1\n"}));
  const Grade grade =
      GradeCode("import time\ntime.sleep(60)", WithLimits(sleepers, {{"wall_ms", 300}}), early);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
  EXPECT_EQ(grade.tests->verdict(), "time_limit");
  EXPECT_EQ(grade.tests->total(), 50u);
  const Json asserts = AssertTests({"assert f(1) == 1", "assert f(2) == 1", "assert f(3) == 3"});
  EXPECT_EQ(GradeCode("def f(x): return x", asserts, early).tests->passed(), 1u);
  EXPECT_EQ(GradeCode("def f(x): return x", asserts).tests->passed(), 2u);
  EXPECT_THROW(MakeGrader("code", {{"stop_early", "true"}, {"score", "fraction"}}), Error);
}

TEST_F(CodeReward, ProgramsDoWhatProgramsDo) {
  for (const char* const code :
       {"print(open('/dev/stdin').read() or 'ok')", "open('/dev/stdout', 'w').write('ok')",
        "import subprocess\nprint(subprocess.run(['echo', 'ok'], capture_output=True, "
        "text=True).stdout)",
        "import multiprocessing\nif __name__ == '__main__':\n    with multiprocessing.Pool(2) as "
        "p: print(['ok'][sum(p.map(len, ['']))])",
        "import tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')\nprint('ok')",
        "import os\nos.remove('solution.py')\nprint('ok')",
        "import os\nprint('ok', flush=True)\nif os.fork() == 0:\n    import time\n    "
        "time.sleep(60)",
        "print('ok'); exit()",
        "import sys\nfor _ in range(3000): sys.stderr.write('x' * 1000)\nprint('ok')",
        "import sys\nsys.setrecursionlimit(10 ** 6)\ndef f(n): return n and f(n - 1)\nprint('ok' "
        "if f(30000) == 0 else 1)",
        "import os\nos.remove('solution.py')\nos.mkfifo('solution.py')\nprint('ok')"}) {
    EXPECT_EQ(VerdictOf(code, StdinTests({{"", "ok\n"}, {"", "ok\n"}})), "accepted") << code;
  }
}

TEST_F(CodeReward, NoTestSeesTheFilesOfAnother) {
  const Json three = StdinTests({{"", "0\n"}, {"", "0\n"}, {"", "0\n"}});
  for (const char* const leave :
       {"open('x', 'w')", "open('/dev/shm/x', 'w')", "os.mkdir('x')", "os.mkfifo('x')",
        "os.symlink('/usr', 'x')", "os.makedirs('x/y'); open('x/y/z', 'w'); os.chmod('x/y', 0)",
        "os.mkdir('x'); os.chmod('x', 0); os.chmod('.', 0o500)", "os.link('solution.py', 'x')",
        "exec('for i in range(2000):\\n os.mkdir(\"x\")\\n os.chdir(\"x\")')",
        "[open('x%d' % i, 'w').close() for i in range(3000)]",
        "open('solution.py', 'w').write('print(1)')", "os.remove('solution.py')"}) {
    const std::string code =
        std::string("import os\nprint(len(os.listdir('/tmp')) - 1)\n") + leave + "\n";
    EXPECT_EQ(VerdictOf(code, three), "accepted") << code;
  }
}

TEST_F(CodeReward, ACompiledProgramIsTheCompilersInEveryTest) {
  Json columns = StdinTests({{"", "1\n"}, {"", "1\n"}});
  columns["language"] = "cpp";
  EXPECT_EQ(
      VerdictOf("#include <cstdio>\n#include <filesystem>\n#include <fstream>\n"
                "int main() {\n  std::puts(\"1\");\n  std::remove(\"solution\");\n"
                "  std::ofstream(\"solution\") << \"#!/bin/sh\\necho 2\\n\";\n"
                "  std::filesystem::permissions(\"solution\", std::filesystem::perms(0755));\n}",
                columns),
      "accepted");
}

TEST_F(CodeReward, OutputMayBeAsLongAsWhatIsExpected) {
  const std::string code = "print('x' * 3000000)";
  EXPECT_EQ(VerdictOf(code, StdinTests({{"", std::string(3'000'000, 'x')}})), "accepted");
  EXPECT_EQ(VerdictOf(code, StdinTests({{"", std::string(2'999'999, 'x')}})), "wrong_answer");
  EXPECT_EQ(VerdictOf(code, StdinTests({{"", "x"}})), "output_limit");
}

TEST_F(CodeReward, IntegersMayHaveMoreDigitsThanPythonPrints) {
  const std::string zeros(5000, '0');
  EXPECT_EQ(VerdictOf("print(10 ** int(input()))", StdinTests({{"5000\n", "1" + zeros}})),
            "accepted");
  EXPECT_EQ(VerdictOf("print(int(input()) % 7)", StdinTests({{"1" + zeros, "2"}})), "accepted")
      << "10^5000 = 3^5000 = 3^2 mod 7";
  EXPECT_EQ(VerdictOf("def f(n): return len(str(10 ** n))",
                      AssertTests({"assert f(5000) == len(str(10 ** 5000)) == 5001"})),
            "accepted");
}

TEST_F(CodeReward, ALanguageIsACommand) {
  const OptionMap options = {
      {"commands", "sh=sum.sh:sh sum.sh;c=main.c:gcc -O1 -o main main.c:./main"}};
  Json columns = kSum;
  columns["language"] = "sh";
  EXPECT_EQ(VerdictOf("read a b; echo $((a + b))", columns, options), "accepted");
  EXPECT_EQ(VerdictOf("read a b; echo $((a - b))", columns, options), "wrong_answer");
  columns["language"] = "c";
  EXPECT_EQ(VerdictOf("#include <stdio.h>\nint main() { int a, b; scanf(\"%d %d\", &a, &b); "
                      "printf(\"%d\", a + b); }",
                      columns, options),
            "accepted");
  EXPECT_EQ(VerdictOf("int main() {", columns, options), "compile_error");
  EXPECT_EQ(VerdictOf("read a b; echo $((a + b))", kSum,
                      {{"language", "sh"}, {"commands", "sh=sum.sh:sh sum.sh"}}),
            "accepted")
      << "the option names the language of samples that do not";
}

TEST_F(CodeReward, CppIsCompiledOnce) {
  Json columns = StdinTests(std::vector<std::pair<std::string, std::string>>(20, {"", "1\n"}));
  columns["language"] = "cpp";
  // Twenty compilations of this header would not fit the sample's time.
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(VerdictOf("#include <bits/stdc++.h>\nint main() { std::cout << 1; }", columns),
            "accepted");
  const auto all = std::chrono::steady_clock::now() - begin;
  columns["tests"] = {{{"stdin", ""}, {"stdout", "1\n"}}};
  const auto again = std::chrono::steady_clock::now();
  EXPECT_EQ(VerdictOf("#include <bits/stdc++.h>\nint main() { std::cout << 1; }", columns),
            "accepted");
  EXPECT_LT(all, 8 * (std::chrono::steady_clock::now() - again));
}

TEST_F(CodeReward, ACheckerDecidesWhereManyAnswersAreRight) {
  Json columns = {{"mode", "stdin"},
                  {"compare", "checker"},
                  {"tests", {{{"stdin", "10\n"}}, {{"stdin", "7\n"}}}},
                  {"checker",
                   "import sys\nn = int(open(sys.argv[1]).read())\ntry: a, b = map(int, "
                   "open(sys.argv[2]).read()."
                   "split())\nexcept ValueError: sys.exit(2)\nsys.exit(0 if a + b == n else 1)"}};
  EXPECT_EQ(VerdictOf("n = int(input())\nprint(n - 1, 1)", columns), "accepted");
  EXPECT_EQ(VerdictOf("n = int(input())\nprint(0, n)", columns), "accepted");
  EXPECT_EQ(VerdictOf("print(5, 5)", columns), "wrong_answer");
  EXPECT_EQ(VerdictOf("print('x')", columns), "wrong_answer");
  columns["checker"] = "import sys\nsys.exit(3)";
  EXPECT_EQ(GradeCode("print(1)", columns).status, STATUS_ERROR)
      << "a checker that fails judges nobody";
  columns["checker"] =
      "#include <fstream>\nint main(int, char** v) { int n, x; std::ifstream(v[1]) >> n;\n"
      "std::ifstream(v[2]) >> x; return x == 2 * n ? 0 : 1; }";
  columns["checker_language"] = "cpp";
  EXPECT_EQ(VerdictOf("print(2 * int(input()))", columns), "accepted");
  EXPECT_EQ(VerdictOf("print(3 * int(input()))", columns), "wrong_answer");
}

TEST_F(CodeReward, TheCodeIsTheResponsesLastBlock) {
  const auto score = [](const std::string& response) {
    Sample sample = MakeSample(response);
    sample.set_columns_json(kSum.dump());
    const Grade grade = CodeGraderOf({})->Score(sample, Budget(std::chrono::milliseconds(30'000)));
    EXPECT_EQ(grade.status, STATUS_OK) << grade.detail;
    return grade.score;
  };
  const std::string code = std::string("```python\n") + kPythonSum + "\n```\n";
  EXPECT_EQ(score("<think>```python\nprint(0)\n```</think>Here:\n" + code + "That is all."), 1);
  EXPECT_EQ(score(code + "or rather\n```python\nprint(0)\n```"), 0);
  EXPECT_EQ(score("<think>" + code), 0) << "the reasoning was never closed";
  EXPECT_EQ(score("I do not know."), 0);
  EXPECT_EQ(score(""), 0);
}

TEST_F(CodeReward, DatasetsAreReadAsTheyAre) {
  const Json mbpp = {{"test_imports", {"import math"}},
                     {"test_list", {"assert math.isclose(half(3), 1.5)", "assert half(4) == 2"}},
                     {"code", "the reference is never looked at"}};
  EXPECT_EQ(VerdictOf("def half(x): return x / 2", mbpp), "accepted");
  EXPECT_EQ(VerdictOf("def half(x): return x // 2", mbpp), "wrong_answer");
  const Json human_eval = {{"entry_point", "half"},
                           {"test", "def check(candidate):\n    assert candidate(3) == 1.5\n"}};
  EXPECT_EQ(VerdictOf("def half(x): return x / 2", human_eval), "accepted");
  EXPECT_EQ(VerdictOf("def half(x): return x", human_eval), "wrong_answer");
}

double HumanEvalScore(const std::string& completion, const std::string& prompt,
                      const OptionMap& options) {
  Sample sample = MakeSample(completion);
  sample.set_prompt(prompt);
  sample.set_columns_json(
      Json{{"entry_point", "half"},
           {"test", "def check(candidate):\n    assert candidate([3, 4]) == [1.5, 2]\n"}}
          .dump());
  const Budget budget(std::chrono::milliseconds(60'000));
  return CodeGraderOf(options)->Score(sample, budget).score;
}

const char* const kHalfPrompt =
    "from typing import List\n\n\ndef half(x: List) -> List:\n    \"\"\"Half of each.\"\"\"\n";
const char* const kHalfBody = "    return [e / 2 for e in x]\n";

TEST_F(CodeReward, AHumanEvalProgramRunsBehindItsPrompt) {
  const std::string prompt = kHalfPrompt, body = kHalfBody;
  const std::string whole = "def half(x: List) -> List:\n" + body;
  EXPECT_EQ(HumanEvalScore(Fenced(whole), prompt, {}), 1) << "the prompt imports List";
  EXPECT_EQ(HumanEvalScore(Fenced(prompt + body), prompt, {}), 1);
  EXPECT_EQ(HumanEvalScore(Fenced("from __future__ import annotations\n" + whole), prompt, {}), 1)
      << "such an import must come first";
  EXPECT_EQ(HumanEvalScore(Fenced(whole), "Halve each number.", {}), 0) << "words import nothing";
  EXPECT_EQ(HumanEvalScore(Fenced("import typing\n" + prompt + body), "half", {}), 1);
  EXPECT_EQ(HumanEvalScore(Fenced("x = 1\n"), prompt, {}), 0) << "the stub is no solution";
}

TEST_F(CodeReward, ACompletionWithoutAFenceIsAProgramWhereThatIsAskedFor) {
  const OptionMap unfenced = {{"unfenced", "true"}};
  const std::string prompt = kHalfPrompt, body = kHalfBody;
  EXPECT_EQ(HumanEvalScore(body, prompt, unfenced), 1) << "what follows the prompt";
  EXPECT_EQ(HumanEvalScore(prompt + body, prompt, unfenced), 1) << "the whole program";
  EXPECT_EQ(HumanEvalScore(Fenced(prompt + body), prompt, unfenced), 1);
  EXPECT_EQ(HumanEvalScore("    return x\n", prompt, unfenced), 0);
  EXPECT_EQ(HumanEvalScore(body, prompt, {}), 0);
}

// A toss would come out differently one of these times.
TEST_F(CodeReward, ASubmissionThatComesAgainIsJudgedAsBefore) {
  const std::string toss = "import os\nprint(os.urandom(1)[0] % 2)";
  const Json columns = StdinTests({{"", "1\n"}});
  const double first = GradeCode(toss, columns).score;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(GradeCode(toss, columns).score, first);
}

TEST_F(CodeReward, MalformedTestsAreNobodysZero) {
  const auto detail = [](const Json& columns) {
    const Grade grade = GradeCode("print(1)", columns);
    EXPECT_EQ(grade.status, STATUS_UNPARSEABLE) << columns.dump();
    return grade.detail;
  };
  EXPECT_THAT(detail(Json::object()), HasSubstr("mode is missing"));
  EXPECT_THAT(detail({{"mode", "stdio"}, {"tests", Json::array()}}),
              HasSubstr("did you mean 'stdin'"));
  EXPECT_THAT(detail({{"mode", "stdin"}}), HasSubstr("tests is missing"));
  EXPECT_THAT(detail({{"mode", "stdin"}, {"tests", Json::array()}}), HasSubstr("tests is empty"));
  EXPECT_THAT(detail({{"mode", "stdin"}, {"tests", {{{"stdin", "1"}, {"stdout", 3}}}}}),
              HasSubstr("tests[0].stdout"));
  EXPECT_THAT(
      detail({{"mode", "call"}, {"entry", "f"}, {"tests", {{{"args", 1}, {"expected", 3}}}}}),
      HasSubstr("tests[0].args"));
  EXPECT_THAT(detail({{"mode", "call"}, {"tests", {{{"args", {1}}, {"expected", 3}}}}}),
              HasSubstr("entry is missing"));
  EXPECT_THAT(detail({{"mode", "call"}, {"entry", "f"}, {"tests", {{{"args", {1}}}}}}),
              HasSubstr("tests[0].expected"));
  EXPECT_THAT(detail(AssertTests({"assert f( == 1"})), HasSubstr("test code"));
  EXPECT_THAT(detail(AssertTests({"assert f() == 1"}, "import no_such_module")),
              HasSubstr("no_such_module"));
  EXPECT_THAT(detail(WithLimits(kSum, {{"wal_ms", 3}})), HasSubstr("did you mean 'wall_ms'"));
  EXPECT_THAT(detail(WithLimits(kSum, {{"wall_ms", "long"}})), HasSubstr("limits.wall_ms"));
  Json columns = kSum;
  columns["compare"] = "floats:1";
  EXPECT_THAT(detail(columns), HasSubstr("compare is 'floats:1'"));
  columns = AssertTests({"assert f() == 1"});
  columns["language"] = "cpp";
  EXPECT_THAT(detail(columns), HasSubstr("are for python"));
  columns = kSum;
  columns["language"] = "pyhton";
  EXPECT_THAT(detail(columns), HasSubstr("did you mean 'python'"));
}

TEST_F(CodeReward, BadOptionsAreRefusedAtTheStart) {
  EXPECT_THROW(MakeGrader("code", {{"score", "some"}}), Error);
  EXPECT_THROW(MakeGrader("code", {{"language", "cobol"}}), Error);
  EXPECT_THROW(MakeGrader("code", {{"wall_ms", "-1"}}), Error);
  EXPECT_THROW(MakeGrader("code", {{"commands", "sh"}}), Error);
  EXPECT_THROW(MakeGrader("code", {{"commands", "sh=../x:sh x"}}), Error);
}

TEST_F(CodeReward, AJudgeWithoutTimeJudgesNobody) {
  const std::string unknown = kPythonSum + std::string("\n# judged nowhere else");
  EXPECT_EQ(GradeCode(unknown, kSum, {}, 1).status, STATUS_TIMEOUT);
  const std::atomic<bool> cancelled = true;
  Sample sample = MakeSample(Fenced(unknown));
  sample.set_columns_json(kSum.dump());
  EXPECT_EQ(
      CodeGraderOf({})->Score(sample, Budget(std::chrono::milliseconds(9'000), &cancelled)).status,
      STATUS_ERROR);
}

}  // namespace
}  // namespace cohort::reward::judge
