"""How a command can end before its work is done: bad input (exit code 2), a failed run (1), a stopped run (130)."""

import re

from pydantic import ValidationError

TERMINATED = 143
"""Exit code of a process that SIGTERM ended and of a job that was asked to stop; both have saved their state."""

_NOT_ON_A_LINE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # a whole escape sequence (CSI): without its first byte the rest would be left as text
    r"|[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+"
)


def one_line(text: str) -> str:
    """Any text as one line: line ends, control characters and lone surrogates become spaces."""
    return _NOT_ON_A_LINE.sub(" ", text).strip()


def first_problem(error: ValidationError) -> str:
    """The field and what is wrong with it, as one line, and how many more there are.

    A misspelt field comes before the field that it leaves missing.
    """
    first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    where = ".".join(str(step) for step in first["loc"]) or "config"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    what = "unknown field" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}{more}"


class MaskSearchError(Exception):
    """An error whose one line says what is wrong, where, and what to do."""

    exit_code = 1

    def __str__(self) -> str:
        return one_line(super().__str__())


class BadInput(MaskSearchError):
    """The user can correct the input: a wrong path, field, label or endpoint. Nothing was changed."""

    exit_code = 2


class RunFailed(MaskSearchError):
    """Work began and could not be finished. Finished work is kept, and the next run continues from it."""


class JobLost(RunFailed):
    """A process of a job (a rank, an engine) was killed from outside; the job starts again (tasks/jobs/watching.py)."""


class Stopped(RunFailed):
    """The run was asked to stop: Ctrl-C, ``masksearch stop``, a cancelled flow run. Its job saved its state."""

    exit_code = 130
