"""Java beside the other work of a process: signals, forks, threads, standard output."""

import json
import subprocess
import sys

import pytest

from retrieval_index import jvm

NEIGHBOURS = """
import ctypes, faulthandler, json, os, signal, sys, time
from retrieval_index.hits import Query
from retrieval_index.opening import build_index, open_index
from retrieval_index import jvm
from schemas.corpus_settings import IndexSettings
from schemas.errors import RunFailed

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background processes inherit that it is ignored
out = sys.argv[1]
build_index([(f"{n}-0", "title", f"text {n}") for n in range(3000)], out, IndexSettings())
searcher = open_index(out)
seen = {}

faulthandler.enable()
for _ in range(3):
    jvm.run(lambda: jvm.java_class("java.lang.System").gc())
    seen["hits"] = len(searcher.search([Query("text")] * 50, 5)[0])

# A library that installs its own handlers of Java's signals: Java's own are back when it runs again.
libc = ctypes.CDLL(None)
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
crash = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: os._exit(9))
for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL):
    libc.signal(number, ctypes.cast(crash, ctypes.c_void_p))
try:
    jvm.run(lambda: jvm.java_class("java.lang.String")("a").concat(None))  # Java finds it by SIGSEGV
except jvm.JavaFailed as error:
    seen["after another handler"] = str(error).partition(":")[0]

try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(600):
        time.sleep(0.1)  # the signal may reach another thread first
except KeyboardInterrupt:
    seen["interrupt"] = "python's"

child = os.fork()
if child == 0:
    try:
        searcher.search([Query("text")], 1)
    except RunFailed as error:
        os._exit(7 if "forked" in str(error) else 1)
    os._exit(1)
seen["forked"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(seen))
"""


def test_signals_forks_and_standard_output_stay_python_s(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NEIGHBOURS, f"{tmp_path}/index"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    seen = {"hits": 5, "after another handler": "NullPointerException", "interrupt": "python's", "forked": 7}
    assert json.loads(done.stdout) == seen


def test_an_error_of_java_is_one_line() -> None:
    with pytest.raises(jvm.JavaFailed, match=r"ArithmeticException: / by zero|BigInteger divide by zero") as error:
        integer = "java.math.BigInteger"
        jvm.run(lambda: jvm.java_class(integer)("1").divide(jvm.java_class(integer)("0")))
    assert "\n" not in str(error.value)
