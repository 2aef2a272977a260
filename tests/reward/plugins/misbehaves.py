"""Does to itself whatever the completion says; scores 1 on anything else."""
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time


def fork_into_a_session_of_its_own():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                time.sleep(60)
        os._exit(0)


def hang():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    fork_into_a_session_of_its_own()
    while True:
        pass


def write_to_every_descriptor():
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"garbage\n")
        except OSError:
            pass


def leave_a_file():
    descriptor, name = tempfile.mkstemp()
    os.write(descriptor, b"x" * 100_000)
    os.kill(os.getpid(), signal.SIGKILL)


def square(number):
    return number * number


def square_in_a_spawned_process():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(square, [3])[0]


def recurse():
    return recurse()


# Its command line names this file, so that a test finds it.
SLEEPER = [sys.executable, "-c", "import time; time.sleep(3600)", __file__]
ACTS = {
    "abort": os.abort,
    "close the channel": lambda: os.closerange(3, 64),
    "daemon": fork_into_a_session_of_its_own,
    "dict": lambda: {"good": 1, "bad": float("nan")},
    "exit": lambda: sys.exit(3),
    "fork and return": lambda: os.fork() * 0 + 1,
    "hang": hang,
    "leave a file": leave_a_file,
    "list": lambda: [1, 2],
    "memory": lambda: bytearray(1 << 40),
    "multiprocessing": square_in_a_spawned_process,
    "nan": lambda: float("nan"),
    "none": lambda: None,
    "os exit": lambda: os._exit(4),
    "overflow": lambda: 10**400,
    "print": lambda: print("noise on stdout\n{}", flush=True) or 1,
    "raise": lambda: int("no number"),
    "recurse": recurse,
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "sleep": lambda: time.sleep(3600),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "subprocess": lambda: subprocess.Popen(SLEEPER) and 1,
    "text": lambda: "1.0",
    "write": write_to_every_descriptor,
}


def reward(completion, **columns):
    return ACTS.get(completion, lambda: 1)()
