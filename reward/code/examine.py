# Runs the tests of `call` and `assert` samples, outside the submission's box: every name of the
# submission is a proxy that calls into it (serve_solution.py), every value that comes back is plain
# data (plain_values.py). This text follows the others that examiner.cc names. One process for a judge: it waits for tasks on
# descriptor 3 and forks one child for each, which reports line by line:
#   B i          test i begins
#   L            the submission is loaded
#   E i VERDICT DETAIL
#   A VERDICT DETAIL   this and all tests that follow
#   M DETAIL     the test data is malformed
import _thread
import ast
import builtins
import json
import os
import resource
import select
import signal
import socket
import sys
import warnings


class AssertTests:
    def __init__(self, task):
        self.setup = TestCode(task["setup"], "setup")
        self.tests = [TestCode(text, "test") for text in task["tests"]]
        codes = [self.setup, *self.tests]
        if not any(code.tests_something for code in codes):
            raise ValueError("it runs nothing: it only defines names")
        self.preamble, given = self.read_preamble(task["preamble"])
        used, made, bases = names_in(code.tree for code in codes)
        entry = task["entry"]
        self.candidate = entry if "candidate" in used - made else ""  # HumanEval's name for it
        used -= made | (given - {entry}) | {"candidate", "__type_of__", "__callable_of__"}
        self.wanted, self.real = divide(used, bases, entry)
        self.looks_at_output = any(code.looks_at_output for code in codes)
        self.awaits = any(code.awaits for code in codes)
        self.seeds = any(code.seeds for code in codes)
        self.scope, self.link, self.fixtures = None, None, {}

    @staticmethod
    def read_preamble(text):
        try:
            code = compile(text, "preamble", "exec", dont_inherit=True)
            given = names_in([ast.parse(text)])[1]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            given = set()
        # A question in words, which may be a name or a number to Python, gives no name.
        return (code, given) if given else (compile("", "preamble", "exec"), set())

    def prepare(self, link, names):
        self.link = link
        if self.looks_at_output:
            link.send(b"W", b"")
        if self.awaits:
            await_remotes()
        if self.seeds:
            seed_both(link)
        sys.modules["solution"] = solution_module(link, names)
        sys.modules["pytest"] = make_pytest(self.fixtures)
        self.scope = Scope(link, names)
        self.scope.update(self.real, __name__="tests", __builtins__=builtins)
        self.scope.update(__type_of__=type_of, __callable_of__=callable_of)
        exec(self.preamble, self.scope)
        self.scope.bind(self.wanted)
        if self.candidate in self.scope:
            self.scope["candidate"] = self.scope[self.candidate]
        self.run_code(self.setup)

    def run_code(self, code):
        self.link.expects_stop = code.expects_stop
        exec(code.code, self.scope)
        for name in code.to_run:
            run_found(self.scope[name], self.fixtures)

    def run(self, index):
        self.run_code(self.tests[index])
        return True


def type_of(value):
    return value._remote_link.ask("type", value) if type(value) is Remote else type(value)


def callable_of(value):
    return value._remote_link.ask("callable", value) is True if type(value) is Remote else callable(value)


def seed_both(link):
    import random

    seed = random.seed

    def seed_here_and_there(*args):
        seed(*args)
        link.ask("seed", *args)

    random.seed = seed_here_and_there


def await_remotes():
    """asyncio takes coroutines of the box, which run to their end when they are awaited."""
    import asyncio

    def taking_remotes(function):
        async def await_it(awaitable):
            return await awaitable

        def take(awaitable, *args, **kwargs):
            return function(await_it(awaitable) if type(awaitable) is Remote else awaitable, *args, **kwargs)

        return take

    for name in ("run", "create_task"):
        setattr(asyncio, name, taking_remotes(getattr(asyncio, name)))


class CallTests:
    def __init__(self, task):
        self.tests, self.entry = task["tests"], task["entry"]
        self.compare = Comparison(task["compare"], task["tolerance"])
        self.function = None

    def prepare(self, link, names):
        owner, _, method = self.entry.rpartition(".")
        if not owner and method not in names and "Solution" in names:
            owner = "Solution"  # as online judges have it
        if (owner or method) not in names:
            link.die("runtime_error", "the submission does not define '%s'" % self.entry)
        function = link.send(b"V", (owner or method).encode())
        if owner:  # "Solution.solve": of a fresh object
            function = getattr(function(), method)
        self.function = function

    def run(self, index):
        test = self.tests[index]
        if type(self.function) is not Remote:
            raise NameError("'%s' is no function" % self.entry)
        kwargs = {name: whole(value) for name, value in test.get("kwargs", {}).items()}
        result = self.function(*[whole(value) for value in test["args"]], **kwargs)
        return self.compare.same(result, test["expected"])


# Tasks ----------------------------------------------------------------------------------------


class Examination:
    def __init__(self, task, solution, report):
        self.task, self.report_to = task, report
        self.link = Link(solution)
        self.first = task["first"]

    def report(self, line):
        os.write(self.report_to, (" ".join(str(line).split("\n")).encode("utf-8", "replace")[:300]) + b"\n")

    def run(self):
        try:
            kind = CallTests if self.task["mode"] == "call" else AssertTests
            tests = kind(self.task)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return self.report("M the test code: %s" % error)
        self.report("B %d" % self.first)
        if not self.load(tests):
            return
        self.report("L")
        for index in range(self.first, len(self.task["tests"])):
            if index > self.first:
                self.report("B %d" % index)
            verdict, detail = self.examine(tests, index)
            if verdict == "malformed":
                return self.report("M " + detail)
            self.report("E %d %s %s" % (index, verdict, detail))
            if verdict == "died" or (verdict != "accepted" and self.task["stop_early"]):
                return

    def load(self, tests):
        try:
            kind, content = self.link.channel.receive()
            if kind == b"m":  # the first message, before anything of the submission has run
                self.report("M the setup: " + content.decode("utf-8", "replace"))
                return False
            kind, content = self.link.channel.receive()
        except (EOFError, OSError):
            self.report("A died")
            return False
        if kind == b"c":
            self.report("A compile_error " + content.decode("utf-8", "replace"))
            return False
        try:
            names = self.link.answer(b"v" if kind == b"h" else kind, content)
            tests.prepare(self.link, names)
            return True
        except BaseException as error:
            verdict, detail = self.failure(error)
        self.report("M " + detail if verdict == "malformed" else "A %s %s" % (verdict, detail))
        return False

    def examine(self, tests, index):
        self.link.raised = self.link.failure = self.link.unsupported = None
        try:
            right = tests.run(index)
        except BaseException as error:
            return self.failure(error)
        if self.link.failure or self.link.unsupported:
            return self.failure(None)
        return ("accepted", "") if right else ("wrong_answer", "")

    # What a test cannot do, or imports in vain, is no fault of the submission.
    def failure(self, error):
        if self.link.failure:
            return self.link.failure
        if self.link.unsupported or type(error) is Unsupported:
            return ("malformed", "the test code: %s" % (self.link.unsupported or error))
        is_remote = "_remote" in error.__dict__
        if isinstance(error, ImportError) and not is_remote and error.name != "solution":
            return ("malformed", "the test code: %s" % error)
        words = "%s: %s" % (type(error).__name__, error)
        if is_remote or isinstance(error, NameError):
            return ("runtime_error", words[:200])
        return ("wrong_answer", words[:200])


def examine_in_child(task, solution, report):
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
    Examination(task, solution, report).run()


def serve():
    sys.set_int_max_str_digits(0)
    _thread.stack_size(1 << 20)  # the default is the limit of the main thread's
    # x.__eq__(5), called by its name, may give what is true to `assert`.
    warnings.filterwarnings("error", message="NotImplemented should not be used in a boolean context")
    sys.path.append("/usr/lib/python3/dist-packages")
    tasks = socket.socket(fileno=3)
    children = {}
    while True:
        ready = select.select([tasks], [], [], 0.05 if children else None)[0]
        for number, child in list(children.items()):
            if os.waitpid(child, os.WNOHANG)[0]:
                del children[number]
        if not ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(tasks, 64, 3)
        if not message:
            return
        word, number = message.decode().split()
        if word == "kill" and number in children:
            os.kill(children[number], signal.SIGKILL)
        if word == "run":
            child = os.fork()
            if child == 0:
                try:
                    tasks.close()
                    with open(descriptors[0], "rb") as task:
                        examine_in_child(json.loads(task.read()), descriptors[1], descriptors[2])
                finally:
                    os._exit(0)
            children[number] = child
        for descriptor in descriptors:
            os.close(descriptor)


serve()
