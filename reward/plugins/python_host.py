"""Scores samples with one function of a user's file: python_host.py FILE [FUNCTION].

JSON lines on file descriptor 3, spoken with python_process.cc. First a hello, {"ready", "batches"}
or {"error"}; then for each {"number", "samples": [{"prompt", "completion", "answer", "columns"}]}
one {"number", "grades": [...]}. stdout and stderr are the user's; they end in the service's log.
"""
import importlib.util
import inspect
import json
import math
import os
import sys
import traceback

sys.dont_write_bytecode = True  # leaves nothing behind beside the user's file
OWN_PID = os.getpid()
channel = -1


TRACEBACKS_SHOWN = 20  # of one process: a function that fails on every sample must not fill the log
shown = 0


def show_traceback(error):
    global shown
    shown += 1
    if shown > TRACEBACKS_SHOWN or isinstance(error, Refused):
        return
    traceback.print_exception(type(error), error, error.__traceback__)
    if shown == TRACEBACKS_SHOWN:
        print("(further tracebacks of this process are not shown)", file=sys.stderr)


def open_channel():
    global channel
    channel = os.dup(3)  # not inheritable: programs that the user's code starts do not get it
    os.close(3)


def write_line(message):
    if os.getpid() != OWN_PID:
        os._exit(0)  # the user's code forked and both came back: one answer is enough
    data = (json.dumps(message, allow_nan=False) + "\n").encode()
    while data:
        data = data[os.write(channel, data):]


class Refused(Exception):
    """A fault whose text says it all."""


def last_line(error, path):
    """The exception's last line, and where in the user's file it came from."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    try:
        text = traceback.format_exception_only(type(error), error)[-1].strip()
    except Exception:  # its own __str__ raises
        text = type(error).__name__
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    return f"{path}:{lines[-1]}: {text}" if lines else text


def load(path, name):
    """The function and whether it takes a batch."""
    folder, file = os.path.split(path)
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(os.path.splitext(file)[0], path)
    if spec is None:
        raise Refused(f"{path} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    wanted = [name] if name else ["reward", "reward_batch"]
    found = [getattr(module, n) for n in wanted if callable(getattr(module, n, None))]
    if not found:
        known = [n for n, v in vars(module).items() if inspect.isfunction(v) and n[0] != "_"]
        names = ", ".join(known) or "none"
        raise Refused(f"it defines no function '{wanted[0]}'; its functions are: {names}")
    return Function(found[0])


class Function:
    """The user's function, called with the columns that it names, or with all of them."""

    def __init__(self, function):
        self.function = function
        parameters = inspect.signature(function).parameters.values()
        self.takes_all = any(p.kind == p.VAR_KEYWORD for p in parameters)
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self.names = {p.name for p in named}
        self.required = [p.name for p in named if p.default is p.empty]
        self.batches = "completions" in self.names
        if "completion" not in self.names and not self.batches and not self.takes_all:
            raise Refused(
                "its function has no parameter named 'completion', or 'completions' for a batch"
            )

    def call(self, arguments):
        for name in self.required:
            if name not in arguments:
                has = ", ".join(sorted(arguments))
                raise Refused(f"the sample has no column '{name}'; it has: {has}")
        if not self.takes_all:
            arguments = {k: v for k, v in arguments.items() if k in self.names}
        value = self.function(**arguments)
        if inspect.iscoroutine(value):
            import asyncio  # only where it is needed: it takes a while to load

            value = asyncio.run(value)
        return value


def columns_of(sample):
    columns = json.loads(sample["columns"]) if sample["columns"].strip() else {}
    if not isinstance(columns, dict):
        raise Refused("the sample's columns are no JSON object")
    return {"answer": sample["answer"], **columns}


def number(value, what):
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        found = f"{type(value).__name__} {value!r:.80}"
        raise Refused(f"{what} is {found}, expected a number, None or a dict")
    value = float(value)
    if not math.isfinite(value):
        raise Refused(f"{what} is {value}")
    return value


def grade_of_dict(values):
    """Every key but `weights` and `detail` is a component; the score is their weighted sum."""
    weights = values.get("weights", {})
    if not isinstance(weights, dict):
        raise Refused("'weights' is no dict")
    names = [k for k in values if k not in ("weights", "detail")]
    unknown = [k for k in weights if k not in names]
    if unknown:
        raise Refused(f"'weights' names no component: {unknown[0]!r:.80}")
    parts, total = [], None
    for name in names:
        score = None
        if values[name] is not None:
            score = number(values[name], f"the component {name!r:.80}")
            weight = number(weights.get(name, 1), f"the weight {name!r:.80}")
            total = (total or 0.0) + weight * score
        parts.append({"name": str(name), "score": score})
    detail = str(values.get("detail", ""))[:500]
    if total is None:
        return {"status": "not_applicable", "detail": detail, "parts": parts}
    total = number(total, "the weighted sum")
    return {"status": "ok", "score": total, "detail": detail, "parts": parts}


def grade(value):
    if value is None:
        return {"status": "not_applicable"}
    if isinstance(value, dict):
        return grade_of_dict(value)
    return {"status": "ok", "score": number(value, "the score")}


def failure(error, path):
    show_traceback(error)
    status = "memory" if isinstance(error, MemoryError) else "error"
    return {"status": status, "detail": last_line(error, path)[:500]}


def guarded(path, action, *arguments):
    try:
        return action(*arguments)
    except BaseException as error:  # SystemExit too: the process serves the next sample
        return failure(error, path)


def score_one(function, sample):
    arguments = columns_of(sample)
    arguments["prompt"] = sample["prompt"]
    arguments["completion"] = sample["completion"]
    return grade(function.call(arguments))


def call_batch(function, samples):
    rows = [columns_of(s) for s in samples]
    names = {name for row in rows for name in row}
    arguments = {name: [row.get(name) for row in rows] for name in names}
    arguments["prompts"] = [s["prompt"] for s in samples]
    arguments["completions"] = [s["completion"] for s in samples]
    values = function.call(arguments)
    try:
        values = list(values)
    except TypeError:
        found = type(values).__name__
        raise Refused(f"the function answered {found}, expected a list of scores") from None
    if len(values) != len(samples):
        raise Refused(f"the function answered {len(values)} scores for {len(samples)} samples")
    return values


def score_batch(path, function, samples):
    values = guarded(path, call_batch, function, samples)
    if isinstance(values, dict):  # the call failed
        return [values] * len(samples)
    return [guarded(path, grade, value) for value in values]


def serve(path, function):
    for line in os.fdopen(os.dup(channel), "rb"):
        request = json.loads(line)
        samples = request["samples"]
        if function.batches:
            grades = score_batch(path, function, samples)
        else:
            grades = [guarded(path, score_one, function, s) for s in samples]
        write_line({"number": request["number"], "grades": grades})


def main():
    open_channel()
    path, name = sys.argv[1:3]
    sys.argv = [path]
    try:
        function = load(path, name)
    except BaseException as error:
        show_traceback(error)
        write_line({"error": last_line(error, path)})
        os._exit(1)
    write_line({"ready": True, "batches": function.batches})
    serve(path, function)


if __name__ == "__main__":  # multiprocessing imports this file again in its children
    main()
