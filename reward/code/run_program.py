# Runs a submission as a program, in the box: python3 -I -S -c THIS FILE.
import builtins
import os
import sys


def main():
    import _sitebuiltins  # -S leaves these out, and programs end with exit()

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D")
    sys.set_int_max_str_digits(0)  # an answer may have more digits than Python's 4,300
    path = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[:0] = [os.getcwd()]
    sys.path.append("/usr/lib/python3/dist-packages")
    with open(path, "rb") as source:
        text = source.read()
    try:
        code = compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        sys.stderr.write("%s: %s\n" % (type(error).__name__, error))
        sys.stderr.flush()
        os._exit(65)  # the judge reads it as a compile error
    scope = sys.modules["__main__"].__dict__
    for name in ("main", "builtins", "os", "sys"):
        scope.pop(name, None)
    scope["__file__"] = path
    return code, scope


exec(*main())
